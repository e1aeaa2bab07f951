import Basics
import Blobs
import Foundation
import Packs
import Testbed
import Testing

@testable import Download
@testable import Model
@testable import SQLite
@testable import Store

/// Contents that go into packs.
@Suite struct PackAppenderTests {
    private static func use(below limit: Int64 = 1000, _ body: (Store) throws -> Void) throws {
        try Testbed.withDirectory { directory in
            var configuration = StoreConfiguration(bucket: "bucket", inventory: nil)
            configuration.pack(below: limit)
            try body(Store.create(at: "\(directory)/store", configuration))
        }
    }

    /// - Parameter isOpaque: its SHA-256 names it.
    private static func blob(
        _ store: Store, _ content: [UInt8], key: String? = nil, isOpaque: Bool = false, inFile: Bool = false
    ) throws -> CheckedContent {
        let key = key ?? Hex.encode(MD5.digest(content))
        let etag = Hex.encode(MD5.digest(isOpaque ? Array(key.utf8) : content))
        let want = FetchRequest(
            key: Array(key.utf8), versionId: nil, etag: ETag(Array(etag.utf8)), size: Int64(content.count),
            isLatest: true, isOpaque: isOpaque, isArchived: false, lastModified: .distantPast,
            replacedAt: .distantFuture)
        let temporary = "\(store.temporaryPath)/\(key)"
        var arrived = ArrivedContent.file
        if !inFile, let held = ContentMemory().hold(want.size) {
            _ = content.withUnsafeBytes { held.append($0) }
            arrived = .memory(held)
        } else {
            try Files.replace(temporary, with: content)
        }
        let verdict: ContentDigest.Verdict =
            isOpaque ? .opaque(sha256: SHA256.digest(content)) : .checked(parts: nil, sha256: nil)
        return try #require(CheckedContent(want, verdict, temporary: temporary, content: arrived, headers: nil))
    }

    private static func place(_ store: Store, _ blob: CheckedContent) throws -> BlobPlace? {
        try store.blobs.find(#require(BlobName(blob.name)))
    }

    private static func content(_ store: Store, _ blob: CheckedContent) throws -> [UInt8] {
        let open = try OpenBlob(#require(try place(store, blob)))
        return try [UInt8](unsafeUninitializedCapacity: Int(open.size)) { buffer, count in
            try open.read(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
            count = buffer.count
        }
    }

    private static func total(_ store: Store) throws -> Int64 {
        let connection = try Connection(store.indexPath, readOnly: true)
        let statement = try connection.prepare("SELECT value FROM total WHERE name = 'blobs'")
        return try statement.step() ? statement.integer(0) : 0
    }

    private static func packs(_ store: Store) throws -> Int {
        var count = 0
        try store.packs.folder.forEach { _ in count += 1 }
        return count
    }

    @Test func smallContentsOfAllKindsAreInOnePack() throws {
        try Self.use { store in
            let batch = try BlobCommitter(store, headers: .nowhere, small: .packs)
            var blobs: [(CheckedContent, [UInt8])] = []
            for size in [0, 1, 500, 999] {
                let content = [UInt8](repeating: UInt8(size & 0xff), count: size)
                for inFile in [false, true] where size > 0 || inFile {
                    var content = content
                    if inFile, size > 0 { content[0] = 77 }
                    blobs.append((try Self.blob(store, content, inFile: inFile), content))
                }
            }
            let secret: [UInt8] = [1, 2, 3]
            for key in ["a", "b"] { blobs.append((try Self.blob(store, secret, key: key, isOpaque: true), secret)) }
            let large = try Self.blob(store, [UInt8](repeating: 7, count: 1000))
            for (blob, _) in blobs { batch.add(blob) }
            batch.add(large)
            #expect(batch.isPending(blobs[0].0.want))
            try batch.finish()
            for (blob, content) in blobs {
                #expect(try Self.place(store, blob)?.path == nil)
                #expect(try Self.content(store, blob) == content)
                #expect(!batch.isPending(blob.want))
            }
            #expect(try Self.place(store, large)?.path != nil)
            #expect(try Self.packs(store) == 1)
            // The opaque content came twice, under two ETags, and there is the large one.
            #expect(try Self.total(store) == Int64(blobs.count))
            #expect(try Files.names(in: store.temporaryPath).isEmpty)
        }
    }

    @Test func whatTheStoreHasIsNotAddedAgain() throws {
        try Self.use { store in
            let loose = try BlobCommitter(store, headers: .nowhere, small: .files)
            let content: [UInt8] = [1, 2, 3]
            loose.add(try Self.blob(store, content))
            try loose.finish()
            // Without the lock, contents are files.
            #expect(try Self.place(store, Self.blob(store, content))?.path != nil)
            for round in 0..<2 {
                let batch = try BlobCommitter(store, headers: .nowhere, small: .packs)
                batch.add(try Self.blob(store, content))
                batch.add(try Self.blob(store, [9, 9], key: "\(round)", isOpaque: true))
                try batch.finish()
            }
            #expect(try Self.total(store) == 2)
            #expect(try Self.packs(store) == 1)
        }
    }

    @Test func twoContentsOfOneKeyAreInTwoPacks() throws {
        try Self.use { store in
            let batch = try BlobCommitter(store, headers: .nowhere, small: .packs)
            let (first, other) = (try Self.blob(store, [1, 2, 3]), try Self.blob(store, [1, 2, 3, 4]))
            var second = other
            second.want.etag = first.want.etag
            second.want.contentETag = first.want.etag
            second.name = second.want.blobName
            batch.add(first)
            batch.add(second)
            try batch.finish()
            #expect(try Self.content(store, first) == [1, 2, 3])
            #expect(try Self.content(store, second) == [1, 2, 3, 4])
            #expect(try Self.packs(store) == 2)
        }
    }

    @Test func contentsAreInTheOrderOfTheirKeys() throws {
        try Self.use { store in
            let batch = try BlobCommitter(store, headers: .nowhere, small: .packs)
            let blobs = try (0..<500).map { try Self.blob(store, Array("content \($0)".utf8), key: "key \(1000 + $0)") }
            for blob in blobs.shuffled() { batch.add(blob) }
            try batch.finish()
            let places = try blobs.map { blob -> UInt32 in
                guard case .packed(let packed)? = try Self.place(store, blob) else { return 0 }
                return packed.record.place
            }
            #expect(places == places.sorted())
        }
    }

    @Test func manyPacksAreFilled() throws {
        try Self.use(below: 1 << 20) { store in
            let batch = try BlobCommitter(store, headers: .nowhere, small: .packs)
            var blobs: [CheckedContent] = []
            for number in 0..<160 {
                var content = [UInt8](repeating: UInt8(number), count: 1 << 20 - 1)
                content[0] = 1
                let blob = try Self.blob(store, content, inFile: true)
                batch.add(blob)
                blobs.append(blob)
            }
            try batch.finish()
            #expect(try Self.packs(store) == 3)
            for blob in blobs { #expect(try Self.place(store, blob)?.path == nil) }
            #expect(try Self.total(store) == 160)
            #expect(try Files.names(in: store.temporaryPath).isEmpty)
        }
    }
}
