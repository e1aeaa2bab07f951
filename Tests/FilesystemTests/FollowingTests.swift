import Basics
import Foundation
import Glibc
import Model
import Testbed
import Testing
@testable import Filesystem

@Suite("A mount while syncs commit", .serialized)
struct FollowingTests {
    /// Waits for something to come true; two seconds are the promise.
    private func eventually(_ what: String, _ condition: () throws -> Bool) throws {
        let deadline = Timestamp.now().milliseconds + Patience.milliseconds(2000)
        while Timestamp.now().milliseconds < deadline {
            if try condition() { return }
            usleep(20_000)
        }
        Issue.record("not in time: \(what)")
    }

    private func firstState(_ scratch: Scratch) throws -> IndexBuilder {
        let builder = try scratch.builder()
        try builder.snapshot("2024-03-02T01-00Z")
        try builder.add("dir/same", "same", at: "2024-02-01T00:00:00Z")
        try builder.add("dir/changed", "old", at: "2024-02-01T00:00:00Z", id: "1")
        try builder.add("dir/gone", "gone", at: "2024-02-01T00:00:00Z", id: "1")
        try builder.add("gone/x", "x", at: "2024-02-01T00:00:00Z", id: "1")
        try builder.commit()
        return builder
    }

    private func secondState(_ builder: IndexBuilder) throws {
        let time = "2024-03-10T00:00:00Z"
        try builder.snapshot("2024-04-02T01-00Z")
        for key in ["dir/changed", "dir/gone", "gone/x"] { try builder.end(key, at: 1, time: time) }
        try builder.add("dir/changed", "newer", at: time, id: "2", seen: 1..<Int32.max)
        try builder.add("dir/gone", nil, at: time, id: "2", seen: 1..<Int32.max)
        try builder.add("gone/x", nil, at: time, id: "2", seen: 1..<Int32.max)
        try builder.add("dir/new", "new", at: time, seen: 1..<Int32.max)
        try builder.add("fresh/y", "y", at: time, seen: 1..<Int32.max)
        try builder.commit()
    }

    @Test("latest moves on: changed, new and deleted names and contents, and what was open stays")
    func latest() throws {
        let scratch = try Scratch()
        let builder = try firstState(scratch)
        let mount = try scratch.mount(builder.store)
        // Everything that the kernel may keep, it has now, with what is not there.
        #expect(try Seen.tree(mount) == ["/dir/", "/dir/changed", "/dir/gone", "/dir/same", "/gone/", "/gone/x"])
        #expect(try Seen.tree(mount).count == 6)
        #expect(try Seen.content(mount + "/dir/changed") == "old")
        #expect(!Seen.exists(mount + "/dir/new") && !Seen.exists(mount + "/fresh"))
        let before = try Seen.status(mount + "/dir")
        let open = try File(mount + "/dir/changed", O_RDONLY)
        let directory = try File(mount + "/dir", O_RDONLY | O_DIRECTORY)

        try secondState(builder)
        try eventually("the new content") { try Seen.content(mount + "/dir/changed") == "newer" }
        try eventually("the new name") { Seen.exists(mount + "/dir/new") }
        try eventually("the new directory") { Seen.exists(mount + "/fresh/y") }
        try eventually("the deleted name") { !Seen.exists(mount + "/dir/gone") && !Seen.exists(mount + "/gone") }
        #expect(try Seen.tree(mount) == ["/dir/", "/dir/changed", "/dir/new", "/dir/same", "/fresh/", "/fresh/y"])
        #expect(try Seen.names("/proc/self/fd/\(directory.descriptor)") == ["changed", "new", "same"])
        #expect(try Seen.content(mount + "/dir/new") == "new")
        #expect(try Seen.status(mount + "/dir").st_mtim.tv_sec > before.st_mtim.tv_sec)
        #expect(try Seen.status(mount + "/dir").st_ino == before.st_ino)
        var bytes = [UInt8](repeating: 0, count: 10)
        let count = try bytes.withUnsafeMutableBytes { try open.read(into: $0) }
        #expect(bytes.prefix(count) == Array("old".utf8)[...])
        // Somebody's current directory is still one.
        let real = try #require(realpath("/proc/self/fd/\(directory.descriptor)", nil))
        #expect(String(cString: real) == mount + "/dir")
        free(real)
    }

    @Test("A snapshot view stays as it is; an instant follows what becomes known")
    func others() throws {
        let scratch = try Scratch()
        let builder = try firstState(scratch)
        let snapshot = try scratch.mount(builder.store, .view(.inventory("2024-03-02T01-00Z")), name: "snapshot")
        let instant = try scratch.mount(builder.store, .view(When("2024-02-20T00:00:00Z")), name: "instant")
        let tree = ["/dir/", "/dir/changed", "/dir/gone", "/dir/same", "/gone/", "/gone/x"]
        #expect(try Seen.tree(snapshot) == tree)
        #expect(try Seen.tree(instant) == tree)
        try builder.add(
            "dir/expired", "was there", at: "2024-02-10T00:00:00Z", until: "2024-02-25T00:00:00Z", seen: nil)
        try secondState(builder)
        try eventually("the old version") { Seen.exists(instant + "/dir/expired") }
        #expect(try Seen.names(instant + "/dir") == ["changed", "expired", "gone", "same"])
        #expect(try Seen.tree(snapshot) == tree)
    }

    @Test("The history follows, too")
    func history() throws {
        let scratch = try Scratch()
        let builder = try firstState(scratch)
        let mount = try scratch.mount(builder.store, .history)
        #expect(try Seen.names(mount + "/at") == ["2024-03-02T01-00Z"])
        #expect(try Seen.names(mount + "/versions/dir/changed") == ["2024-02-01T00:00:00Z_1"])
        #expect(!Seen.exists(mount + "/at/2024-04-02"))
        try secondState(builder)
        try eventually("the new snapshot") { try Seen.names(mount + "/at").count == 2 }
        try eventually("its date") { Seen.exists(mount + "/at/2024-04-02/fresh") }
        try eventually("its version") { try Seen.names(mount + "/versions/dir/changed").count == 2 }
        #expect(Seen.exists(mount + "/latest/dir/new"))
        #expect(Seen.exists(mount + "/at/2024-03-02T01-00Z/dir/gone"))
    }

    @Test("Many readers and many commits: nobody sees anything that is no state, nobody waits for ever")
    func readers() throws {
        let scratch = try Scratch()
        let builder = try scratch.builder()
        // In state n all files hold n, and there is a file named n.
        func add(_ state: Int) throws {
            let time = Timestamp(milliseconds: 1_709_254_800_000 + Int64(state) * 1000).rfc3339
            try builder.snapshot("2024-03-\(state / 24 + 10)T\(state % 24 < 10 ? "0" : "")\(state % 24)-00Z")
            for place in 0..<20 {
                let key = "d\(place % 4)/f\(place)"
                if state > 0 { try builder.end(key, at: Int32(state), time: time) }
                try builder.add(key, "\(state)", at: time, id: "\(state)", seen: Int32(state)..<Int32.max)
            }
            if state > 0 { try builder.end("n\(state - 1)", at: Int32(state), time: time) }
            try builder.add("n\(state)", "\(state)", at: time, id: "\(state)", seen: Int32(state)..<Int32.max)
            try builder.commit()
        }
        try add(0)
        let mount = try scratch.mount(builder.store)
        let isDone = Flag()
        let failures = Flag()
        let group = DispatchGroup()
        for reader in 0..<8 {
            DispatchQueue.global().async(group: group) {
                while !isDone.isSet {
                    for place in stride(from: reader, to: 20, by: 3) {
                        do {
                            let text = try Seen.content("\(mount)/d\(place % 4)/f\(place)")
                            if Int(text) == nil { failures.set() }
                        } catch { failures.set() }
                        if (try? Seen.names("\(mount)/d\(place % 4)").count) != 5 { failures.set() }
                    }
                }
            }
        }
        for state in 1..<20 {
            try add(state)
            try eventually("state \(state)") {
                try Seen.content(mount + "/d1/f1") == "\(state)" && Seen.exists(mount + "/n\(state)")
                    && !Seen.exists(mount + "/n\(state - 1)")
            }
        }
        isDone.set()
        #expect(group.wait(timeout: .now() + 10) == .success)
        #expect(!failures.isSet)
    }
}

/// Set once, seen by all threads.
final class Flag: @unchecked Sendable {
    private let lock = NSLock()
    private var value = false

    var isSet: Bool { lock.withLock { value } }
    func set() { lock.withLock { value = true } }
}
