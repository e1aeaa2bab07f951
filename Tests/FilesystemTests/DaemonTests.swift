import Basics
import Foundation
import Glibc
import Store
import Testbed
import Testing

@testable import Filesystem

/// The daemon.
@Suite(.serialized) struct DaemonTests {
    /// The helper that mounts as the program does.
    private static var program: String {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        // Swift's test runner is elsewhere; the products lie beside the bundle that holds the tests.
        let candidates = [own] + CommandLine.arguments
        for candidate in candidates {
            let path = URL(fileURLWithPath: candidate).deletingLastPathComponent().path + "/mount-for-tests"
            if Files.exists(path) { return path }
        }
        return "mount-for-tests"
    }

    private func run(_ path: String, _ arguments: [String]) throws -> (status: Int32, output: String, error: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        let (output, error) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = error
        try process.run()
        // To its end: a daemon that kept them open would be waited for for ever.
        let text = output.fileHandleForReading.readDataToEndOfFile()
        let complaint = error.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (
            process.terminationStatus, String(decoding: text, as: UTF8.self), String(decoding: complaint, as: UTF8.self)
        )
    }

    private func mount(_ arguments: [String]) throws -> (status: Int32, output: String, error: String) {
        try run(DaemonTests.program, arguments)
    }

    private func store(_ scratch: Scratch) throws -> Store {
        let builder = try scratch.builder()
        try builder.snapshot("2024-03-02T01-00Z")
        try builder.add("dir/file", "content", at: "2024-02-01T00:00:00Z")
        try builder.commit()
        return builder.store
    }

    /// The daemons of a store, by their log.
    private func daemon(_ store: Store) throws -> pid_t {
        let log = try Seen.content(store.path + "/mount.log")
        let line = try #require(log.split(separator: "\n").last { $0.contains(": mounted ") })
        let digits = line.drop { $0 != "[" }.dropFirst().prefix { $0 != "]" }
        return try #require(pid_t(digits))
    }

    private func eventually(_ what: String, _ condition: () -> Bool) {
        if !Clock.wait(seconds: 60, condition) { Issue.record("not within a minute: \(what)") }
    }

    private func isRunning(_ process: pid_t) -> Bool {
        // One that only waits for somebody to ask for its status has ended.
        guard kill(process, 0) == 0, let state = try? Seen.content("/proc/\(process)/stat") else { return false }
        return !state.contains(") Z ")
    }

    @Test func aMountReturnsWhenItCanBeUsedAndEndsWithFusermount() throws {
        let scratch = try Scratch()
        let store = try store(scratch)
        let point = "\(scratch.path)/mnt"
        try Files.createDirectory(point)
        let result = try mount([store.path, point])
        #expect(result.status == 0 && result.error.isEmpty, "\(result)")
        #expect(result.output == "mounted snapshot 2024-03-02T01-00Z, and newer ones as they arrive\n")
        #expect(try Seen.content(point + "/dir/file") == "content")
        let process = try daemon(store)
        #expect(isRunning(process))
        for descriptor in 0...2 {
            #expect(
                try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/fd/\(descriptor)")
                    == "/dev/null")
        }
        let mounts = try Seen.content("/proc/self/mounts")
        #expect(mounts.contains("icecore:ice \(point) fuse.icecore ro,"))
        let again = try mount([store.path, point])
        #expect(again.status == 1 && again.error.contains("busy"))
        #expect(try run("/usr/bin/fusermount3", ["-u", point]).status == 0)
        eventually("the daemon's end") { !isRunning(process) }
        #expect(!MountPoint.isMountPoint(point))
    }

    @Test(arguments: [SIGTERM, SIGINT, SIGHUP])
    func aSignalUnmounts(_ signal: Int32) throws {
        let scratch = try Scratch()
        let store = try store(scratch)
        let point = "\(scratch.path)/mnt"
        try Files.createDirectory(point)
        #expect(try mount([store.path, point, "--history"]).status == 0)
        let process = try daemon(store)
        kill(process, signal)
        eventually("the daemon's end") { !isRunning(process) }
        #expect(!MountPoint.isMountPoint(point))
        #expect(try Seen.content(store.path + "/mount.log").contains("unmounted"))
    }

    @Test func afterAKillTheMountPointCanBeFreedAndMountedAgain() throws {
        let scratch = try Scratch()
        let store = try store(scratch)
        let point = "\(scratch.path)/mnt"
        try Files.createDirectory(point)
        #expect(try mount([store.path, point]).status == 0)
        let process = try daemon(store)
        kill(process, SIGKILL)
        eventually("the daemon's end") { !isRunning(process) }
        eventually("the dead mount") { Seen.readError(point + "/dir/file") == ENOTCONN }
        let dead = try mount([store.path, point])
        #expect(dead.status == 1 && dead.error.contains("fusermount3 -u"))
        #expect(try run("/usr/bin/fusermount3", ["-u", point]).status == 0)
        #expect(try mount([store.path, point]).status == 0)
        #expect(try Seen.content(point + "/dir/file") == "content")
        let second = try daemon(store)
        kill(second, SIGTERM)
        eventually("the daemon's end") { !isRunning(second) }
    }

    @Test func whatPreventsAMountIsOneSentenceWithTheRightStatus() throws {
        let scratch = try Scratch()
        let store = try store(scratch)
        let point = "\(scratch.path)/mnt"
        try Files.createDirectory(point)
        try Data().write(to: URL(fileURLWithPath: "\(scratch.path)/file"))
        func refused(_ arguments: [String], _ status: Int32, _ words: String) throws {
            let result = try mount([store.path] + arguments)
            #expect(result.status == status && result.error.contains(words), "\(result)")
            #expect(result.error.split(separator: "\n").count == 1)
        }
        try refused(["\(scratch.path)/none"], 1, "does not exist")
        try refused(["\(scratch.path)/file"], 1, "not a directory")
        try refused([scratch.path], 64, "would hide the store")
        try refused([store.path], 64, "would hide the store")
        try refused([point, "--at", "2030-01-01"], 1, "after the newest snapshot")
        try refused([point, "--at", "2010-01-01"], 1, "before anything is known")
        try refused([point, "--at", "nonsense"], 64, "not a point in time")
        #expect(!MountPoint.isMountPoint(point))
    }

    @Test func userAllowOtherIsALineOfItsOwn() throws {
        let scratch = try Scratch()
        let path = "\(scratch.path)/fuse.conf"
        for (text, isAllowed) in [
            ("user_allow_other\n", true), ("#user_allow_other\n", false), (" user_allow_other", true),
        ] {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
            #expect(MountPoint.othersMayBeAllowed(path) == isAllowed)
        }
    }
}
