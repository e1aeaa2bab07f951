import Basics
import CFuse3
import Foundation
import Glibc
import Model
import ReferenceModel
import Testing
@testable import Filesystem

/// A mounted view.
@Suite(.serialized) struct ViewTests {
    private static let time = "2024-03-01T01:00:00Z"

    @Test func everyOddKeyIsListedReadAndSaysItsKey() throws {
        let scratch = try Scratch()
        let builder = try scratch.builder()
        try builder.snapshot("2024-03-02T01-00Z")
        let keys = OddKeys.odd + OddKeys.withNUL + OddKeys.plain + OddKeys.flipping.flatMap { $0 }
        for key in Set(keys) {
            // Those that end with '/' have content here: placeholders have a test of their own.
            try builder.add(key.bytes, Array("content of ".utf8) + key.bytes, at: ViewTests.time)
        }
        try builder.commit()
        let mount = try scratch.mount(builder.store)
        var paths: [[UInt8]: ByteString] = [:]
        for key in Set(keys) {
            var names = key.components.map { String(decoding: ComponentName.encode($0).bytes, as: UTF8.self) }
            // The twin rule.
            if keys.contains(where: { $0.hasPrefix(key + "/") }) { names.append(".icecore-object") }
            let path = "/" + names.joined(separator: "/")
            #expect(paths.updateValue(key, forKey: Array(path.utf8)) == nil)
            #expect(Seen.attribute(mount + path, "key").map { Array($0.utf8) } == key.bytes, "\(path)")
            #expect(try Files.read(mount + path, limit: 1 << 20) == Array("content of ".utf8) + key.bytes, "\(path)")
            let status = try Seen.status(mount + path)
            #expect(status.st_size == 11 + key.count)
            #expect(status.st_mode == S_IFREG | 0o444)
            #expect(status.st_mtim.tv_sec == 1_709_254_800)
            #expect(status.st_blocks == (status.st_size + 511) / 512)
        }
        #expect(Set(try Seen.tree(mount).filter { !$0.hasSuffix("/") }.map { Array($0.utf8) }) == Set(paths.keys))
        #expect(!Seen.exists(mount + "/.icecore-other"))
        #expect(!Seen.exists(mount + "/.icecore-object"))
        #expect(!Seen.exists(mount + "/nothing"))
    }

    @Test func aZeroSizePlaceholderIsADirectoryAndNoFile() throws {
        let scratch = try Scratch()
        let builder = try scratch.builder()
        try builder.snapshot("2024-03-02T01-00Z")
        for key in ["a/", "a/b", "lonely/", "d//", "/"] { try builder.add(key, "", at: ViewTests.time, id: "v-\(key)") }
        try builder.add("full/", "content", at: ViewTests.time)
        try builder.add("full//below", "content", at: ViewTests.time)
        try builder.commit()
        let mount = try scratch.mount(builder.store)
        #expect(
            try Seen.tree(mount) == [
                "/.icecore-empty/", "/a/", "/a/b", "/d/", "/d/.icecore-empty/", "/full/", "/full/.icecore-empty/",
                "/full/.icecore-empty/.icecore-object", "/full/.icecore-empty/below", "/lonely/",
            ])
        #expect(Seen.attribute(mount + "/a", "key") == "a/")
        #expect(Seen.attribute(mount + "/a", "versionId") == "v-a/")
        #expect(Seen.attribute(mount + "/d/.icecore-empty", "key") == "d//")
        #expect(Seen.attribute(mount + "/.icecore-empty", "key") == "/")
        #expect(Seen.attribute(mount + "/full", "key") == nil)
        #expect(Seen.attribute(mount + "/full/.icecore-empty/.icecore-object", "key") == "full/")
        #expect(try Seen.names(mount + "/lonely") == [])
    }

    @Test func thereAreFiveExtendedAttributesAndShortBuffersAreRefused() throws {
        let scratch = try Scratch()
        let builder = try scratch.builder()
        try builder.snapshot("2024-03-02T01-00Z")
        try builder.add("dir/known", "x", at: ViewTests.time, id: "abc_def")
        try builder.add("dir/null", "x", at: ViewTests.time)
        try builder.add("dir/unknown", "x", at: ViewTests.time, id: nil)
        try builder.commit()
        let mount = try scratch.mount(builder.store, .view(.inventory("2024-03-02T01-00Z")))
        let path = mount + "/dir/known"
        #expect(Seen.attribute(path, "key") == "dir/known")
        #expect(Seen.attribute(path, "versionId") == "abc_def")
        #expect(Seen.attribute(path, "etag") == "9dd4e461268c8034f5c8564e155c67a6")
        #expect(Seen.attribute(path, "lastModified") == ViewTests.time)
        #expect(Seen.attribute(path, "snapshot") == "2024-03-02T01-00Z")
        #expect(Seen.attribute(mount + "/dir", "snapshot") == "2024-03-02T01-00Z")
        #expect(Seen.attribute(mount + "/dir/null", "versionId") == "null")
        #expect(Seen.attribute(mount + "/dir/unknown", "versionId") == nil)
        #expect(getxattr(path, "user.icecore.key", nil, 0) == 9)
        var small = [UInt8](repeating: 0, count: 4)
        #expect(getxattr(path, "user.icecore.key", &small, 4) == -1 && errno == ERANGE)
        #expect(getxattr(path, "user.other", &small, 4) == -1 && errno == ENODATA)
        var list = [CChar](repeating: 0, count: 1000)
        let size = listxattr(path, nil, 0)
        #expect(listxattr(path, &list, 1000) == size)
        #expect(listxattr(path, &list, 5) == -1 && errno == ERANGE)
        let names = list[..<size].split(separator: 0).map {
            String(decoding: $0.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        #expect(
            Set(names) == Set(["key", "versionId", "etag", "lastModified", "snapshot"].map { "user.icecore.\($0)" }))
    }

    @Test func everyChangeIsRefusedAsReadOnly() throws {
        let scratch = try Scratch()
        let builder = try scratch.builder()
        try builder.snapshot("2024-03-02T01-00Z")
        try builder.add("dir/file", "content", at: ViewTests.time)
        try builder.commit()
        let mount = try scratch.mount(builder.store)
        let (file, new, directory) = (mount + "/dir/file", mount + "/dir/new", mount + "/dir")
        func refused(_ call: String, _ result: Int32) { #expect(result == -1 && errno == EROFS, "\(call): \(errno)") }
        refused("open", open(file, O_WRONLY))
        refused("open both", open(file, O_RDWR))
        refused("create", open(new, O_WRONLY | O_CREAT, 0o644))
        refused("truncate", truncate(file, 0))
        refused("mkdir", mkdir(new, 0o755))
        refused("unlink", unlink(file))
        refused("rmdir", rmdir(directory))
        refused("rename", rename(file, new))
        refused("link", link(file, new))
        refused("symlink", symlink("x", new))
        refused("mknod", mknod(new, S_IFIFO | 0o644, 0))
        refused("chmod", chmod(file, 0o600))
        refused("chown", chown(file, 1, 1))
        refused("utimes", utimes(file, nil))
        refused("setxattr", setxattr(file, "user.x", "y", 1, 0))
        refused("removexattr", removexattr(file, "user.icecore.key"))
        refused("access", access(file, W_OK))
        #expect(access(file, R_OK) == 0)
        #expect(try Seen.content(file) == "content")
    }

    @Test func aMissingBlobIsAnErrorAndOneLineInTheLog() throws {
        let scratch = try Scratch()
        let builder = try scratch.builder()
        try builder.snapshot("2024-03-02T01-00Z")
        try builder.add("dir/missing", "not there", at: ViewTests.time, hasBlob: false)
        try builder.add("dir/opaque", "opaque", at: ViewTests.time, isOpaque: true)
        try builder.add("dir/short", "will be cut", at: ViewTests.time)
        try builder.add("dir/there", "there", at: ViewTests.time)
        try builder.commit()
        let blob = try #require(
            try builder.store.blob(
                etag: ETag(Hex.encode(MD5.digest(Array("will be cut".utf8))).utf8), size: 11, builder.store.reader())?
                .path)
        chmod(blob, 0o644)
        truncate(blob, 4)
        let mount = try scratch.mount(builder.store)
        #expect(Seen.readError(mount + "/dir/missing") == EIO)
        #expect(Seen.readError(mount + "/dir/short") == EIO)
        #expect(try Seen.content(mount + "/dir/opaque") == "opaque")
        #expect(try Seen.content(mount + "/dir/there") == "there")
        #expect(try Seen.status(mount + "/dir/missing").st_size == 9)
        #expect(scratch.log.split(separator: "\n").count(where: { $0.contains("dir/missing") }) == 1)
        #expect(scratch.log.contains("too short"))
    }

    @Test func snapshotViewsGoByInventoriesAndInstantViewsByTimes() throws {
        let scratch = try Scratch()
        let builder = try scratch.builder()
        try builder.snapshot("2024-03-02T01-00Z")
        try builder.snapshot("2024-04-02T01-00Z")
        try builder.add("f", "old", at: "2024-02-01T00:00:00Z", until: "2024-03-10T00:00:00Z", id: "1", seen: 0..<1)
        try builder.add("f", "new", at: "2024-03-10T00:00:00Z", id: "2", seen: 1..<Int32.max)
        try builder.add("gone/x", "x", at: "2024-02-01T00:00:00Z", until: "2024-03-15T00:00:00Z", id: "1", seen: 0..<1)
        try builder.add("gone/x", nil, at: "2024-03-15T00:00:00Z", id: "2", seen: 1..<Int32.max)
        try builder.add("flip", "file", at: "2024-02-01T00:00:00Z", until: "2024-03-15T00:00:00Z", seen: 0..<1)
        try builder.add("flip/x", "below", at: "2024-03-15T00:00:00Z", seen: 1..<Int32.max)
        try builder.commit()
        let store = builder.store
        let latest = try scratch.mount(store, name: "latest")
        let first = try scratch.mount(store, .view(.inventory("2024-03-02T01-00Z")), name: "first")
        let instant = try scratch.mount(store, .view(When("2024-03-12T00:00:00Z")), name: "instant")
        #expect(try Seen.tree(latest) == ["/f", "/flip/", "/flip/x"])
        #expect(try Seen.tree(first) == ["/f", "/flip", "/gone/", "/gone/x"])
        #expect(try Seen.tree(instant) == ["/f", "/flip", "/gone/", "/gone/x"])
        #expect(try Seen.content(latest + "/f") == "new")
        #expect(try Seen.content(first + "/f") == "old")
        #expect(try Seen.content(instant + "/f") == "new")
        // Twice one row: one inode, whatever the view and the mount.
        #expect(try Seen.status(latest + "/f").st_ino == Seen.status(instant + "/f").st_ino)
        #expect(try Seen.status(latest + "/f").st_ino != Seen.status(first + "/f").st_ino)
        #expect(throws: IcecoreError.self) { try scratch.mount(store, .view(When("2025-01-01")), name: "none") }
        var space = statvfs()
        #expect(statvfs(latest, &space) == 0 && space.f_files == 6 && space.f_namemax == 255)
    }
}
