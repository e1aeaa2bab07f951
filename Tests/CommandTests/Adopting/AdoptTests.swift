import Basics
import Foundation
import Testbed
import Testing

/// What `icecore adopt` takes from a tree, and what it leaves there.
@Suite struct AdoptTests {
    typealias Row = InventoryFolder.Row

    private static let name = "2024-03-02T01-00Z"

    /// An upload in parts of a size.
    static func parted(_ key: String, _ content: [UInt8], partSize: Int) -> Row {
        var digests: [UInt8] = []
        for start in stride(from: 0, to: content.count, by: partSize) {
            digests += MD5.digest(Array(content[start..<min(content.count, start + partSize)]))
        }
        let count = (content.count + partSize - 1) / partSize
        return Row(key, content).with { $0.etag = "\(Hex.encode(MD5.digest(digests)))-\(count)" }
    }

    private static let large = RealBucket.content(seed: 21, count: 9 << 20)
    private static let odd = RealBucket.content(seed: 22, count: 5_500_000)

    /// Contents of all kinds.
    private static let rows: [Row] = {
        var rows = (0..<30).map { Row("small/\($0 % 3)/\($0)", bytes("content \($0) of many")) }
        rows += ["shared/a", "shared/b", "shared/c/d"].map { Row($0, bytes("the same")) }
        rows += [Row("empty", []), Row("marker/", []), Row("a", bytes("a file")), Row("a/b", bytes("below it"))]
        rows += ["caf\u{e9}", "new\nline", "x.old.y.z", "x.old.", "q?=&%41+"].map { Row($0, bytes("content of \($0)")) }
        rows.append(parted("parts/usual", large, partSize: 8 << 20))
        rows.append(parted("parts/odd", odd, partSize: 5_111_111))
        rows.append(
            Row("secret", bytes("encrypted")).with {
                $0.etag = "0123456789abcdef0123456789abcdef"
                $0.encryption = "SSE-KMS"
            })
        rows.append(Row("archived", bytes("in the cold")).with { $0.storageClass = "GLACIER" })
        return rows
    }()

    /// A store that knows the rows and has nothing, and a mirror of them: but for `a`, which is a directory there.
    private func withMirror(_ body: (Scenario, MirrorTree) throws -> Void) throws {
        try Scenario.withBucket { scenario in
            try scenario.folder.write(Self.name, Self.rows)
            for row in Self.rows {
                // The server has directories as well.
                try scenario.server.add(
                    bucket: Scenario.bucket, key: row.key, versionId: row.versionId, content: row.content)
            }
            try scenario.succeed("sync", "--metadata-only")
            let tree = try MirrorTree("\(scenario.directory)/mirror")
            for row in Self.rows where row.key != "a" {
                if row.key.hasSuffix("/") {
                    try Files.createDirectories("\(tree.path)/marker")
                } else {
                    try tree.write(row.key, row.content)
                }
            }
            try body(scenario, tree)
        }
    }

    @Test func aMirrorIsTakenAndTheNextSyncFetchesTheRest() throws {
        try withMirror { scenario, tree in
            let before = try tree.digest()
            let planned = try scenario.adopt(tree.path, "--dry-run")
            #expect(planned.run.text.contains("\"dryRun\":true"))
            #expect(try scenario.blobs.isEmpty)
            let (counts, run) = try scenario.adopt(tree.path)
            for (name, count) in counts where name != "dryRun" {
                #expect(planned.counts[name] == count, "\(name): \(planned.run)")
            }
            // One content under three keys, and a directory for another; no content of 'a', an ETag that is no digest, parts that nobody can guess.
            let contents = Set(Self.rows.map(\.content))
            #expect(counts["wanted"] == contents.count, "\(run)")
            #expect(counts["adopted"] == contents.count - 3, "\(run)")
            #expect(counts["alreadyThere"] == 2, "\(run)")
            #expect(counts["wrong"] == 2 && counts["foreign"] == 0 && counts["unreadable"] == 0, "\(run)")
            #expect(counts["stillWanted"] == 3, "\(run)")
            #expect(counts["stillWantedBytes"] == Self.odd.count + "a fileencrypted".utf8.count, "\(run)")
            #expect(run.stderr.contains("'parts/odd' has other bytes than the object, or was uploaded in parts"))
            #expect(run.stderr.contains("'secret' cannot be checked"))
            #expect(try tree.digest() == before)
            #expect(try Files.names(in: "\(scenario.store)/tmp").isEmpty)
            try scenario.expectSound()
            for row in Self.rows where !["a", "secret", "parts/odd"].contains(row.key) {
                #expect(try scenario.succeed("cat", "--", row.key).stdout.isSame(as: row.content), "\(row.key)")
                let versions = try scenario.succeed("versions", "--json", "--", row.key)
                #expect(try versions.record["present"] as? Bool == true, "\(versions)")
            }
            let status = try scenario.succeed("status")
            #expect(!status.text.contains("missing: 1"), "\(status)")
            let again = try scenario.adopt(tree.path)
            #expect(again.counts["adopted"] == 0 && again.counts["stillWanted"] == 3, "\(again.run)")
            #expect(again.counts["alreadyThere"] == Self.rows.count - 4, "\(again.run)")
            #expect(try scenario.keysOfSync() == ["a", "secret", "parts/odd"])
            try scenario.expectSound()
            let last = try scenario.adopt(tree.path)
            #expect(last.counts["wanted"] == 0 && last.counts["wrong"] == 0, "\(last.run)")
            #expect(try tree.digest() == before)
        }
    }

    @Test func whatIsWrongIsNamedAndLeftAlone() throws {
        try withMirror { scenario, tree in
            try tree.write("small/0/0", bytes("Content 0 of many"))
            try tree.write("small/1/1", bytes("content 1"))
            try Files.remove("\(tree.path)/small/2/2")
            try tree.write("small/2/renamed", bytes("content 2 of many"))
            try tree.write("foreign", bytes("of another bucket"))
            try tree.write("parts/usual", Array(Self.large.dropLast()) + [Self.large.last.map { $0 ^ 1 } ?? 0])
            try Files.remove("\(tree.path)/small/0/3")
            try Files.remove("\(tree.path)/small/1/4")
            try Files.remove("\(tree.path)/small/2/5")
            #expect(mkfifo("\(tree.path)/small/0/3", 0o644) == 0)
            #expect(symlink("/etc/passwd", "\(tree.path)/small/1/4") == 0)
            #expect(symlink("..", "\(tree.path)/small/up") == 0)
            try Files.createDirectory("\(tree.path)/small/2/5")
            // Two whose contents are in each other's place.
            try tree.write("small/0/6", bytes("content 7 of many"))
            try tree.write("small/1/7", bytes("content 6 of many"))
            chmod("\(tree.path)/small/2/8", 0)
            let before = try tree.digest()
            let unprivileged = "setpriv --bounding-set=-dac_override,-dac_read_search,-fowner"
            let run = try scenario.run(
                under: ["/usr/bin/env"] + unprivileged.split(separator: " ").map(String.init),
                ["adopt", tree.path, "--store", scenario.store, "--json"])
            #expect(run.status == 3, "\(run)")
            let counts = try run.record.compactMapValues { $0 as? Int }
            #expect(counts["unreadable"] == 1 && counts["foreign"] == 4, "\(run)")
            // The changed and the cut one, the large one, the one of odd parts, the one whose ETag is no digest.
            #expect(counts["wrong"] == 5, "\(run)")
            let missing = ["small/0/0", "small/1/1", "small/0/3", "small/1/4", "small/2/5", "small/2/8", "a"]
            let rest = Set(missing + ["parts/usual", "parts/odd", "secret"])
            #expect(counts["stillWanted"] == rest.count, "\(run)")
            for text in [
                "warning: 'small/0/0' has other bytes", "warning: 'small/1/1' has 9 bytes", "'small/0/3' is a FIFO",
                "'small/1/4' is a symbolic link", "'foreign' fits no wanted content",
                "warning: 'small/2/8' cannot be read: Permission denied", "warning: 'parts/usual' has other bytes",
            ] {
                #expect(run.stderr.contains(text), "\(text): \(run)")
            }
            chmod("\(tree.path)/small/2/8", 0)
            #expect(try tree.digest() == before)
            try scenario.expectSound()
            #expect(try scenario.keysOfSync() == rest)
            try scenario.expectSound()
        }
    }

    @Test func aBackupByS3invsyncIsTakenWithItsOldVersions() throws {
        try Scenario.withBucket { scenario in
            var rows: [Row] = []
            let tree = try MirrorTree("\(scenario.directory)/backup")
            for number in 0..<12 {
                let key = "d\(number % 3)/file.old.\(number)"
                for version in 0..<3 {
                    // All of one size.
                    let content = bytes("version \(version) of \(key)")
                    let row = Row(key, content, at: "2024-02-0\(version + 1)T00:00:00.000Z").with {
                        $0.isLatest = version == 2
                    }
                    rows.append(row)
                    let etag = Hex.encode(MD5.digest(content))
                    try tree.write(version == 2 ? key : "\(key).old.\(row.versionId).\(etag)", content)
                }
            }
            let old = Self.parted("big", RealBucket.content(seed: 3, count: 6 << 20), partSize: 5 << 20).with {
                $0.isLatest = false
            }
            rows += [old, Row("big", bytes("small now"), at: "2024-02-03T00:00:00.000Z")]
            try tree.write("big.old.\(old.versionId).\(old.etag ?? "")", old.content)
            try tree.write("big", bytes("small now"))
            try tree.write(".s3invsync.versions.json", bytes("{\"big\": {\"version_id\": \"x\", \"etag\": \"y\"}}"))
            try tree.write("d0/.s3invsync.versions.json", bytes("{}"))
            try tree.write(".s3invsync.state.json", bytes("{}"))
            try scenario.add(Self.name, rows)
            try scenario.succeed("sync", "--metadata-only")
            // One is not what its name says.
            let changed = rows[1]
            try tree.write(
                "\(changed.key).old.\(changed.versionId).\(Hex.encode(MD5.digest(changed.content)))",
                bytes("Version 1 of \(changed.key)"))
            let (counts, run) = try scenario.adopt(tree.path)
            #expect(counts["wanted"] == rows.count && counts["adopted"] == rows.count - 1, "\(run)")
            #expect(counts["files"] == rows.count && counts["wrong"] == 1 && counts["foreign"] == 0, "\(run)")
            // What is there is not read again.
            let again = try scenario.adopt(tree.path)
            #expect(again.counts["alreadyThere"] == rows.count - 1 && again.counts["wrong"] == 1, "\(again.run)")
            #expect(try scenario.keysOfSync() == [changed.key])
            try scenario.expectSound()
        }
    }

    @Test func aMirrorOfAPrefixIsFoundByIt() throws {
        try withMirror { scenario, tree in
            for prefix in ["small/", "small/1/", "small", "sma"] {
                try FileManager.default.removeItem(atPath: scenario.store)
                try scenario.initialize(Scenario.bucket, inventory: scenario.folder.url)
                try scenario.succeed("sync", "--metadata-only")
                let part = try MirrorTree("\(scenario.directory)/part-\(prefix.replacing("/", with: "-"))")
                let rows = Self.rows.filter { $0.key.hasPrefix(prefix) }
                for row in rows { try part.write(String(row.key.dropFirst(prefix.count)), row.content) }
                let (counts, run) = try scenario.adopt(part.path, "--prefix", prefix)
                #expect(counts["adopted"] == rows.count && counts["files"] == rows.count, "\(prefix): \(run)")
                // With a wrong prefix, the sizes lead to the contents.
                let other = try scenario.adopt(part.path, "--prefix", "other/")
                #expect(other.counts["foreign"] == rows.count && other.counts["adopted"] == 0, "\(other.run)")
            }
            try scenario.expectSound()
        }
    }

    @Test(arguments: ["", "/blobs"])
    func anotherStoreIsTakenFrom(below: String) throws {
        try withMirror { scenario, _ in
            let other = "\(scenario.directory)/other"
            let made = try scenario.run([
                "init", other, "--bucket", "s3://\(Scenario.bucket)", "--inventory", scenario.folder.url,
            ])
            try #require(made.status == 0, "\(made)")
            try scenario.run(["sync", "--store", other, "--archived", "fetch"])
            let before = try StoreDigest.of(other)
            let (counts, run) = try scenario.adopt(other + below)
            // That these two files are those contents, only the other store says.
            #expect(counts["stillWanted"] == 2, "\(run)")
            #expect(counts["foreign"] == 2 && counts["wrong"] == 0, "\(run)")
            StoreDigest.expectSame(try StoreDigest.of(other), before)
            #expect(try scenario.keysOfSync() == ["secret", "parts/odd"])
            try scenario.expectSound()
            // What rows call present is missed where a file has its key; with its SHA-256 known, it can be checked.
            for row in Self.rows where ["shared/a", "secret"].contains(row.key) { try Files.remove(scenario.blob(row)) }
            let tree = try MirrorTree("\(scenario.directory)/last")
            try tree.write("shared/a", bytes("the same"))
            try tree.write("secret", bytes("encrypted"))
            let vanished = try scenario.adopt(tree.path)
            #expect(vanished.counts["adopted"] == 2 && vanished.counts["wanted"] == 2, "\(vanished.run)")
            #expect(vanished.counts["stillWanted"] == 0, "\(vanished.run)")
            try scenario.expectSound()
        }
    }
}
