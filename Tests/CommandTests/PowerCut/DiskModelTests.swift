import Basics
import Foundation
import ReferenceModel
import Testbed
import Testing

/// The model of a disk whose power is cut forgets what nobody has made durable, and nothing else.
@Suite struct DiskModelTests {
    /// What a shell's commands leave, when the power is cut behind them.
    private func left(
        _ script: String, _ mood: DiskCut.Mood, ignoring: Set<String> = [], seed: UInt64 = 1
    ) throws -> [String: [UInt8]] {
        try Testbed.withDirectory { directory in
            let store = "\(directory)/store"
            try Files.createDirectories("\(store)/old")
            try Files.replace("\(store)/old/file", with: bytes("old"))
            let disk = try DiskModel(directory, names: ["store"])
            let trace = "\(directory)/trace"
            let program = """
                import os
                store = "\(store)"
                def write(path, text, flags=os.O_CREAT | os.O_TRUNC):
                    file = os.open(f"{store}/{path}", os.O_WRONLY | flags)
                    os.write(file, text.encode())
                    return file
                def sync(path):
                    os.fsync(os.open(f"{store}/{path}", os.O_RDONLY))
                \(script)
                """
            let run = try RunningProgram(
                "/usr/bin/strace",
                (Trace.wrapper(trace).dropFirst() + ["/usr/bin/python3", "-c", program]).map { Array($0.utf8) },
                environment: [:], currentDirectory: directory, outputs: directory
            ).wait()
            try #require(run.status == 0, "\(run)")
            let calls = DiskCalls(disk, ignoring: ignoring)
            for event in try Trace(path: trace).events { _ = try calls.apply(event) }
            try FileManager.default.removeItem(atPath: store)
            var random = SplitMix64(seed: seed)
            var cut = DiskCut(mood, disk, random: &random)
            try cut.write(disk)
            var found: [String: [UInt8]] = [:]
            for path in try StoreDigest.files(store) {
                found[path] = try Files.read("\(store)/\(path)", limit: 1 << 20)
            }
            return found
        }
    }

    @Test func bytesNeedAnFsyncAndNamesOneOfTheirDirectory() throws {
        let old = ["old/file": bytes("old")]
        let nothing = #"write("new", "text")"#
        #expect(try left(nothing, .nothing) == old)
        #expect(try left(nothing, .everything) == old.merging(["new": bytes("text")]) { $1 })
        #expect(try left(nothing, .names) == old.merging(["new": []]) { $1 })
        #expect(try left(nothing, .namesAndSizes) == old.merging(["new": [0, 0, 0, 0]]) { $1 })
        #expect(try left(nothing, .bytes) == old)
        #expect(try left(#"os.fdatasync(write("new", "text"))"#, .nothing) == old)
        #expect(try left(#"write("new", "text"); sync("")"#, .nothing) == old.merging(["new": []]) { $1 })
        let both = #"os.fdatasync(write("new", "text")); sync("")"#
        #expect(try left(both, .nothing) == old.merging(["new": bytes("text")]) { $1 })
        #expect(try left(both, .nothing, ignoring: ["fsync"]) == old)
        // A directory's name is its parent's affair.
        let below = #"os.mkdir(f"{store}/d"); os.fsync(write("d/f", "text")); sync("d")"#
        #expect(try left(below, .nothing) == old)
        #expect(try left(below + #"; sync("")"#, .nothing) == old.merging(["d/f": bytes("text")]) { $1 })
    }

    @Test func namesThatWereTakenAwayComeBack() throws {
        let script = #"os.rename(f"{store}/old/file", f"{store}/moved"); "#
        #expect(try left(script, .nothing) == ["old/file": bytes("old")])
        #expect(try left(script, .everything) == ["moved": bytes("old")])
        #expect(try left(script + #"sync("")"#, .nothing) == ["moved": bytes("old"), "old/file": bytes("old")])
        #expect(try left(script + #"sync("old")"#, .nothing).isEmpty)
        #expect(try left(script + "os.sync()", .nothing) == ["moved": bytes("old")])
        // A journal has both ends of a rename, or none.
        for seed in UInt64(0)..<4 {
            #expect(try left(script, .journal, seed: seed).count == 1)
        }
    }

    @Test func whatIsWrittenMayBeTorn() throws {
        let script = #"file = write("new", "a" * 4096); os.pwrite(file, b"b" * 4096, 2048); sync("")"#
        var seen: Set<[UInt8]> = []
        for seed in UInt64(0)..<12 {
            let content = try #require(try left(script, .scattered, seed: seed)["new"])
            #expect(content.count <= 6144 && content.allSatisfy { [0, 97, 98].contains($0) })
            seen.insert(content)
        }
        #expect(seen.count > 4)
        // What comes after an fsync may be torn, what was before it not.
        let safe = #"file = write("new", "a" * 4096); os.fsync(file); sync(""); os.pwrite(file, b"b" * 10, 512)"#
        for seed in UInt64(0)..<4 {
            let content = try #require(try left(safe, .scattered, seed: seed)["new"])
            #expect(content.count == 4096 && !content.contains(0))
        }
    }
}
