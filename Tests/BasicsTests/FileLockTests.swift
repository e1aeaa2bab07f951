import Basics
import Glibc
import Testing

@Suite struct FileLockTests {
    /// A file without a name, and further descriptions of it: flock(2) keeps its locks by description.
    private static func file() throws -> File { try File.unnamed(in: "/tmp") }

    private static func again(_ file: borrowing File) throws -> File {
        try File("/proc/self/fd/\(file.descriptor)", O_RDWR)
    }

    @Test func anExclusiveLockRefusesEveryOther() throws {
        let file = try Self.file()
        let second = try Self.again(file)
        let third = try Self.again(file)
        #expect(try FileLock.exclusive.acquireNow(file))
        #expect(try !FileLock.exclusive.acquireNow(second))
        #expect(try !FileLock.shared.acquireNow(third))
        #expect(try FileLock.exclusive.acquireNow(file))
    }

    @Test func sharedLocksAreHeldTogetherAndRefuseAnExclusiveOne() throws {
        let file = try Self.file()
        let second = try Self.again(file)
        let third = try Self.again(file)
        #expect(try FileLock.shared.acquireNow(file))
        #expect(try FileLock.shared.acquireNow(second))
        #expect(try !FileLock.exclusive.acquireNow(third))
    }

    @Test func aLockEndsWithItsFile() throws {
        let file = try Self.file()
        let second = try Self.again(file)
        #expect(try FileLock.exclusive.acquireNow(second))
        #expect(try !FileLock.exclusive.acquireNow(file))
        try second.close()
        try FileLock.exclusive.acquire(file, to: "test", pause: 1000)
    }
}
