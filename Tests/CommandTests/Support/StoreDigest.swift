import Basics
import Foundation
import Testing

/// What a store consists of, to be compared.
enum StoreDigest {
    /// The paths of all regular files below a directory, sorted.
    static func files(_ directory: String) throws -> [String] {
        var found: [String] = []
        func walk(_ path: String) throws {
            for name in try Files.names(in: path.isEmpty ? directory : "\(directory)/\(path)") {
                let below = path.isEmpty ? name : "\(path)/\(name)"
                if Files.size("\(directory)/\(below)") != nil {
                    found.append(below)
                } else {
                    try walk(below)
                }
            }
        }
        try walk("")
        return found.sorted()
    }

    /// The MD5 of a file of any size.
    private static func digest(_ path: String) throws -> String {
        let file = try File(path, O_RDONLY)
        var digest = MD5()
        try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 16) { buffer in
            while true {
                let count = try file.read(into: buffer)
                if count == 0 { return }
                digest.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            }
        }
        return Hex.encode(digest.finalize())
    }

    /// Every file with the MD5 of its content; without the lock, the log of mounts, and what SQLite keeps beside the
    /// index while it is open.
    static func of(_ store: String) throws -> [String: String] {
        let passing: Set<String> = [
            "lock", "push.lock", "mount.log", "index.sqlite-wal", "index.sqlite-shm", "reserve",
        ]
        var digests: [String: String] = [:]
        for path in try files(store) where !passing.contains(path) {
            digests[path] = try digest("\(store)/\(path)")
        }
        return digests
    }

    /// Expects two stores to be the same, and says in which files they are not.
    static func expectSame(
        _ seen: [String: String], _ expected: [String: String], sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let different = Set(seen.keys).union(expected.keys).filter { seen[$0] != expected[$0] }.sorted()
        #expect(different.isEmpty, "files of the store that differ", sourceLocation: sourceLocation)
    }

    /// The names of the blobs, with the MD5 of each.
    static func blobs(_ store: String) throws -> [String: String] {
        var digests: [String: String] = [:]
        for path in try files("\(store)/blobs") {
            digests[path] = try digest("\(store)/blobs/\(path)")
        }
        return digests
    }
}

extension [UInt8] {
    /// Equality by memcmp: what `==` does element by element takes seconds where nothing is optimized.
    func isSame(as other: [UInt8]) -> Bool {
        count == other.count
            && withUnsafeBytes { left in
                other.withUnsafeBytes { right in
                    guard let first = left.baseAddress, let second = right.baseAddress else { return true }
                    return memcmp(first, second, left.count) == 0
                }
            }
    }
}
