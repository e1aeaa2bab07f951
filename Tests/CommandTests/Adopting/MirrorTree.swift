import Basics
import Foundation
import Testbed
import Testing

/// A tree that another tool could have made, and what is expected of it.
struct MirrorTree {
    let path: String

    /// Makes an empty one.
    init(_ path: String) throws {
        self.path = path
        try Files.createDirectories(path)
    }

    /// Writes a file, with the directories on the way to it.
    func write(_ name: String, _ content: [UInt8]) throws {
        let place = "\(path)/\(name)"
        try Files.createDirectories(Files.directory(of: place))
        let file = try File(place, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
        try content.withUnsafeBytes { try file.write($0) }
    }

    /// Everything in it: type, size, mode, time, links and content of each file, by path.
    func digest() throws -> [String: String] {
        var seen: [String: String] = [:]
        func walk(_ below: String) throws {
            for name in try Files.names(in: below.isEmpty ? path : "\(path)/\(below)") {
                let place = below.isEmpty ? name : "\(below)/\(name)"
                var status = stat()
                guard lstat("\(path)/\(place)", &status) == 0 else { throw TestbedError("cannot examine \(place)") }
                var text = "\(status.st_mode) \(status.st_nlink) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
                switch status.st_mode & S_IFMT {
                case S_IFDIR: try walk(place)
                case S_IFREG:
                    let content = try Files.read("\(path)/\(place)", limit: 1 << 30)
                    text += " \(status.st_size) \(Hex.encode(MD5.digest(content)))"
                default: break
                }
                seen[place] = text
            }
        }
        try walk("")
        return seen
    }
}

extension Scenario {
    /// Runs `adopt --json`, and returns what it counts.
    func adopt(
        _ tree: String, _ words: String..., status: Int32 = 0, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> (counts: [String: Int], run: Run) {
        let run = try run(["adopt", tree, "--store", store, "--json"] + words)
        try #require(run.status == status, "\(run)", sourceLocation: sourceLocation)
        let record = try run.record
        return (record.compactMapValues { $0 as? Int }, run)
    }

    /// Expects a verification to find nothing.
    func expectSound(sourceLocation: SourceLocation = #_sourceLocation) throws {
        let run = try run(["verify", "--store", store, "--json"])
        #expect(run.status == 0 && run.stdout.isEmpty, "\(run)", sourceLocation: sourceLocation)
    }

    /// Which objects the next sync asks for, by key.
    func keysOfSync(sourceLocation: SourceLocation = #_sourceLocation) throws -> Set<String> {
        try server.reset()
        try succeed("sync", "--headers", "none", sourceLocation: sourceLocation)
        let targets = try requests().keys.map { $0.removingPercentEncoding ?? $0 }
        return Set(targets.map { String($0.dropFirst("/\(Self.bucket)/".count).prefix { $0 != "?" }) })
    }
}
