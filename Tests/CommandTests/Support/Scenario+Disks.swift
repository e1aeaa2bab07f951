import Basics
import Foundation
import Testbed
import Testing

/// A file system that tests make for themselves.
enum TestDisk: CustomTestStringConvertible {
    case tmpfs(kibibytes: Int, inodes: Int? = nil)
    case ext4(kibibytes: Int, inodes: Int? = nil)
    /// It has clones; it takes 300 MiB at least.
    case xfs(mebibytes: Int)
    /// exFAT by way of FUSE: it has no links, no files without a name, no renames that replace nothing, no modes, and takes
    /// `A` for `a`.
    case exFAT(mebibytes: Int)
    /// FAT by way of an old FUSE program that can do very little.
    case fuseFAT(mebibytes: Int)

    var testDescription: String {
        switch self {
        case .tmpfs: "tmpfs"
        case .ext4: "ext4"
        case .xfs: "XFS"
        case .exFAT: "exFAT"
        case .fuseFAT: "FAT"
        }
    }
}

extension Scenario {
    private func tool(_ words: String...) throws {
        let program = try #require(
            ["/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/"].map { $0 + words[0] }.first(where: Files.exists),
            "\(words[0]) is not installed: 'make test-deps' does it")
        let run = try RunningProgram(
            program, words.dropFirst().map { Array($0.utf8) }, environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"],
            currentDirectory: directory, outputs: "\(directory)/outputs"
        ).wait(seconds: 30)
        guard run.status == 0 else { throw TestbedError("\(run)") }
    }

    /// Makes a file system for as long as `body` runs.
    func withDisk(_ disk: TestDisk, _ body: (_ point: String) throws -> Void) throws {
        let name = "disk-\(UInt32.random(in: 0 ... .max))"
        let (point, image) = ("\(directory)/\(name)", "\(directory)/\(name).image")
        try Files.createDirectory(point)
        func makeImage(_ kibibytes: Int) throws {
            let file = try File(image, O_RDWR | O_CREAT | O_EXCL)
            let descriptor = file.descriptor
            try systemCall("cannot make", image) { ftruncate(descriptor, off_t(kibibytes) << 10) }
        }
        switch disk {
        case .tmpfs(let kibibytes, let inodes):
            let count = inodes.map { ",nr_inodes=\($0)" } ?? ""
            try tool("mount", "-t", "tmpfs", "-o", "size=\(kibibytes)k\(count)", "tmpfs", point)
        case .ext4(let kibibytes, let inodes):
            try makeImage(kibibytes)
            if let inodes {
                try tool("mkfs.ext4", "-q", "-m", "0", "-N", "\(inodes)", image)
            } else {
                try tool("mkfs.ext4", "-q", "-m", "0", image)
            }
            try tool("mount", "-t", "ext4", "-o", "loop", image, point)
        case .xfs(let mebibytes):
            try makeImage(mebibytes << 10)
            try tool("mkfs.xfs", "-q", "-m", "reflink=1", image)
            try tool("mount", "-t", "xfs", "-o", "loop", image, point)
        case .exFAT(let mebibytes):
            try makeImage(mebibytes << 10)
            try tool("mkfs.exfat", image)
            try tool("mount", "-t", "exfat-fuse", "-o", "loop", image, point)
        case .fuseFAT(let mebibytes):
            try makeImage(mebibytes << 10)
            try tool("mkfs.vfat", image)
            try tool("fusefat", "-o", "rw+", image, point)
        }
        defer {
            try? tool("umount", "-l", point)
            unlink(image)
        }
        try #require(Clock.wait(seconds: 10) { Scenario.isMounted(point) })
        try body(point)
    }

    /// Fills a file system by `filler`, but for so many kibibytes.
    func fill(_ point: String, leaving kibibytes: Int) throws {
        let filler = try File("\(point)/filler", O_RDWR | O_CREAT | O_TRUNC)
        let descriptor = filler.descriptor
        // Nearly all at once, then block by block: the file's own map takes blocks, too.
        let length = try Files.freeBytes(point) - Int64(kibibytes + 512) << 10
        if length > 0 { _ = posix_fallocate(descriptor, 0, off_t(length)) }
        var end = max(0, length)
        while try Files.freeBytes(point) > Int64(kibibytes) << 10 {
            if posix_fallocate(descriptor, off_t(end), 1024) != 0 { break }
            end += 1024
        }
    }

    /// Has the store on a file system of its own: an empty one, made with what `init` is told.
    func withStore(on disk: TestDisk, _ words: String..., body: (_ point: String) throws -> Void) throws {
        try withDisk(disk) { point in
            if Files.exists(store) { try Files.removeAll(store) }
            try Files.createDirectory("\(point)/store")
            symlink("\(point)/store", store)
            defer { unlink(store) }
            let run = try run(["init", store, "--bucket", "s3://\(Self.bucket)", "--inventory", folder.url] + words)
            try #require(run.status == 0, "\(run)")
            try body(point)
            try expectNoSecretInFiles()
        }
    }
}
