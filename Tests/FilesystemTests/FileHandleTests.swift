import Basics
import Foundation
import Glibc
import Model
import Testing

@testable import Filesystem

/// Handles of files and directories in a mount, as NFS servers and some backup programs keep them.
@Suite(.serialized) struct FileHandleTests {
    private static let first = "2024-03-02T01-00Z"

    /// Keys that only one of two snapshots has, a twin, a placeholder, a key that is also a prefix of others.
    private func builder(_ scratch: Scratch) throws -> IndexBuilder {
        let builder = try scratch.builder()
        try builder.snapshot(FileHandleTests.first)
        try builder.snapshot("2024-04-02T01-00Z")
        let (old, new) = ("2024-02-01T00:00:00Z", "2024-03-10T00:00:00Z")
        try builder.add("both/deep/down/file", "both", at: old, id: "1")
        try builder.add("only/old", "old", at: old, until: new, id: "1", seen: 0..<1)
        try builder.add("only/old", nil, at: new, id: "2", seen: 1..<Int32.max)
        try builder.add("fresh/new", "new", at: new, id: "1", seen: 1..<Int32.max)
        try builder.add("twin", "the object", at: old, id: "1")
        try builder.add("twin/below", "below", at: old, id: "1")
        try builder.add("placeholder/", "", at: old, id: "1")
        try builder.commit()
        return builder
    }

    /// Makes the kernel forget all names and nodes that nobody uses.
    private func dropCaches() throws {
        try Data("3\n".utf8).write(to: URL(fileURLWithPath: "/proc/sys/vm/drop_caches"))
    }

    private struct Expected {
        var path: String
        /// Nil: a directory.
        var content: String?
        var handle: FileHandle
        var node: UInt
    }

    /// Handles of everything below some paths of a mount.
    private func handles(_ mount: String, _ paths: [String]) throws -> [Expected] {
        var found: [Expected] = []
        for path in paths {
            for below in [""] + (try Seen.tree(mount + path)) {
                let full = below.isEmpty ? path : path + (below.hasSuffix("/") ? String(below.dropLast()) : below)
                let status = try Seen.status(mount + full)
                let isDirectory = status.st_mode & S_IFMT == S_IFDIR
                let isReadable = status.st_mode & 0o444 != 0
                found.append(
                    Expected(
                        path: full, content: isDirectory || !isReadable ? nil : try Seen.content(mount + full),
                        handle: try FileHandle(mount + full), node: status.st_ino))
            }
        }
        return found
    }

    private func expectAll(_ expected: [Expected], on mount: String) throws {
        for one in expected {
            let opened = try one.handle.open(on: mount)
            guard case .success(let descriptor) = opened else {
                Issue.record("\(one.path): \(opened)")
                continue
            }
            defer { close(descriptor) }
            var status = stat()
            #expect(fstat(descriptor, &status) == 0 && status.st_ino == one.node, "\(one.path)")
            if let content = one.content {
                #expect(try one.handle.content(on: mount) == content, "\(one.path)")
            } else if try Seen.status(mount + one.path).st_mode & S_IFMT == S_IFDIR {
                #expect(try one.handle.names(on: mount) == Seen.names(mount + one.path), "\(one.path)")
                #expect(try one.handle.path(on: mount) == mount + one.path)
            }
            #expect(try Seen.status(mount + one.path).st_ino == one.node, "\(one.path)")
        }
    }

    private static let historyPaths = [
        "/latest", "/at/\(first)", "/at/2024-03-05", "/at/2024-03-05T12:00:00Z", "/at/2024-04-02", "/at/latest",
        "/versions",
    ]

    @Test func handlesOpenAfterTheKernelHasForgottenEverything() throws {
        let scratch = try Scratch()
        let store = try builder(scratch).store
        let latest = try scratch.mount(store, name: "latest")
        let past = try scratch.mount(store, .view(.inventory(FileHandleTests.first)), name: "past")
        let history = try scratch.mount(store, .history, name: "history")
        for (mount, paths) in [(latest, [""]), (past, [""]), (history, FileHandleTests.historyPaths)] {
            let expected = try handles(mount, paths)
            #expect(expected.count > 8)
            try dropCaches()
            try expectAll(expected.reversed(), on: mount)
        }
        #expect(scratch.log.isEmpty, "\(scratch.log)")
    }

    @Test func handlesOpenInTheNextMountToo() throws {
        let scratch = try Scratch()
        let store = try builder(scratch).store
        let layouts: [(MountOptions.Layout, [String])] = [
            (.view(.latest), [""]), (.view(.inventory(FileHandleTests.first)), [""]),
            (.view(try When("2024-03-05")), [""]), (.history, FileHandleTests.historyPaths),
        ]
        for (number, (layout, paths)) in layouts.enumerated() {
            let expected = try handles(try scratch.mount(store, layout, name: "before\(number)"), paths)
            scratch.unmount()
            let mount = try scratch.mount(store, layout, name: "after\(number)")
            // Deep ones first: nothing leads there yet.
            try expectAll(expected.reversed(), on: mount)
        }
        #expect(scratch.log.isEmpty, "\(scratch.log)")
    }

    @Test func handlesThatNobodyWasGivenAreStale() throws {
        let scratch = try Scratch()
        let store = try builder(scratch).store
        let history = try scratch.mount(store, .history, name: "history")
        let everything = try handles(history, [""] + FileHandleTests.historyPaths)
        let past = try scratch.mount(store, .view(.inventory(FileHandleTests.first)), name: "past")
        let own = Set(try handles(past, [""]).map(\.handle.node))
        try dropCaches()
        // The mount of one view opens nothing of another.
        var refused = 0
        for one in everything where !own.contains(one.handle.node) {
            #expect(try one.handle.error(on: past) == ESTALE, "\(one.path)")
            refused += 1
        }
        #expect(refused > 20)
        // Numbers near those that exist, and any others.
        let known = Set(everything.map(\.handle.node)).union(own)
        var forged = try #require(everything.first).handle
        forged.generation = 0
        var random = SystemRandomNumberGenerator()
        var numbers: [UInt64] = [.max, 1 << 63, 1 << 62]
        for directory: UInt64 in 0..<16 {
            for kind: UInt64 in 0...3 {
                for low: UInt64 in [0, 1, 2, 3, 1 << 30 - 1] { numbers.append(directory << 32 | kind << 30 | low) }
            }
        }
        for _ in 0..<2000 { numbers.append(UInt64.random(in: 0 ... .max, using: &random)) }
        for number in numbers where !known.contains(number) {
            forged.node = number
            for mount in [past, history] { #expect(try forged.error(on: mount) == ESTALE, "\(number)") }
        }
        // A number that has been given to something else since.
        let file = try #require(everything.first { $0.content == "both" })
        var other = file.handle
        other.generation ^= 1
        #expect(try other.error(on: history) == ESTALE)
        #expect(try file.handle.content(on: history) == "both")
        #expect(scratch.log.isEmpty, "\(scratch.log)")
    }

    @Test func whatASnapshotHasReplacedIsStaleInLatest() throws {
        let scratch = try Scratch()
        let builder = try scratch.builder()
        try builder.snapshot("2024-03-02T01-00Z")
        try builder.add("dir/file", "old", at: "2024-02-01T00:00:00Z", id: "1")
        try builder.commit()
        let first = try scratch.mount(builder.store, name: "first")
        let handle = try FileHandle(first + "/dir/file")
        #expect(try handle.content(on: first) == "old")
        try builder.snapshot("2024-04-02T01-00Z")
        try builder.end("dir/file", at: 1, time: "2024-03-10T00:00:00Z")
        try builder.add("dir/file", "new", at: "2024-03-10T00:00:00Z", id: "2", seen: 1..<Int32.max)
        try builder.commit()
        let second = try scratch.mount(builder.store, name: "second")
        #expect(try handle.error(on: second) == ESTALE)
        #expect(try FileHandle(second + "/dir/file").content(on: second) == "new")
    }
}
