import Basics
import Foundation
import Testbed
import Testing
@testable import Download
@testable import Model
@testable import SQLite
@testable import Store

/// The thread that writes what was downloaded.
@Suite struct BlobCommitterTests {
    private static func use(_ body: (Store, BlobCommitter) throws -> Void) throws {
        try Testbed.withDirectory { directory in
            let store = try Store.create(at: "\(directory)/store", StoreConfiguration(bucket: "bucket", inventory: nil))
            try body(store, BlobCommitter(store, headers: .nowhere, small: .files))
        }
    }

    private static func blob(
        _ store: Store, _ text: String, temporary: String? = nil, memory: ContentMemory = ContentMemory()
    ) throws -> CheckedContent {
        let bytes = Array(text.utf8)
        guard let held = memory.hold(Int64(bytes.count)) else { throw TestbedError("there is no room") }
        #expect(bytes.withUnsafeBytes { held.append($0) })
        let want = FetchRequest(
            key: bytes, versionId: nil, etag: ETag(Array(Hex.encode(MD5.digest(bytes)).utf8)), size: Int64(bytes.count),
            isLatest: true, isOpaque: false, isArchived: false, lastModified: .distantPast, replacedAt: .distantFuture)
        return CheckedContent(
            temporary: temporary ?? "\(store.temporaryPath)/\(text)", content: .memory(held), name: want.blobName,
            want: want)
    }

    private static func path(_ store: Store, _ blob: CheckedContent) -> String {
        store.blobs.path(ofName: blob.name)
    }

    @Test func aContentBecomesDurableThoughNoOtherFollows() throws {
        try Self.use { store, batch in
            let blob = try Self.blob(store, "alone")
            batch.add(blob)
            #expect(batch.isPending(blob.want))
            let path = Self.path(store, blob)
            #expect(Clock.wait(seconds: 60) { Files.size(path) == 5 })
            #expect(
                try Clock.wait(seconds: 60) {
                    try batch.check()
                    return !batch.isPending(blob.want)
                })
            // Its name is durable, and counted, a while later, again without another one.
            let connection = try Connection(store.indexPath, readOnly: true)
            #expect(
                try Clock.wait(seconds: 60) {
                    let statement = try connection.prepare("SELECT value FROM total WHERE name = 'blobs'")
                    return try statement.step() && statement.integer(0) == 1
                })
            try batch.finish()
        }
    }

    @Test func whatTricklesInBecomesDurable() throws {
        try Self.use { store, batch in
            let first = try Self.blob(store, "first")
            batch.add(first)
            let isThere = try Clock.wait(seconds: 60) {
                batch.add(try Self.blob(store, "later \(UInt64.random(in: 0 ... .max))"))
                usleep(100_000)
                return Files.size(Self.path(store, first)) != nil
            }
            #expect(isThere)
            try batch.finish()
        }
    }

    @Test func everythingIsThereAfterTheEndAndNothingIsLeftOver() throws {
        try Self.use { store, batch in
            let memory = ContentMemory(limit: 1 << 20)
            let blobs = try (0..<3000).map { number in
                // Room comes back as contents are written.
                var blob: CheckedContent?
                #expect(
                    Clock.wait(seconds: 60) {
                        blob = try? Self.blob(store, "content \(number % 2900)", memory: memory)
                        return blob != nil
                    })
                let found = try #require(blob)
                batch.add(found)
                return found
            }
            try batch.finish()
            for blob in blobs { #expect(try ContentCheck.md5(Self.path(store, blob)) == blob.want.etag.md5) }
            #expect(try Files.names(in: store.temporaryPath).isEmpty)
            #expect(!batch.isPending(blobs[0].want))
        }
    }

    @Test func anErrorOfTheWriterIsHeardAndWhatWasCompleteStays() throws {
        try Self.use { store, batch in
            let good = try Self.blob(store, "good")
            batch.add(good)
            // Without its directory in blobs/, a content is written to its temporary file.
            let bad = try Self.blob(store, "bad", temporary: "/dev/full")
            try Files.removeAll(Files.directory(of: Self.path(store, bad)))
            batch.add(bad)
            var error: (any Error)?
            #expect(
                Clock.wait(seconds: 60) {
                    do {
                        try batch.check()
                        return false
                    } catch let thrown {
                        error = thrown
                        return true
                    }
                })
            #expect((error as? IcecoreError)?.code == .noSpace)
            // Whatever comes afterwards is not waited for.
            batch.add(try Self.blob(store, "later"))
            try? batch.finish()
            #expect(Files.size(Self.path(store, good)) == 4)
        }
    }

    @Test func aFileThatIsNotTheContentMakesRoomForIt() throws {
        try Self.use { store, batch in
            let blob = try Self.blob(store, "right")
            try Files.replace(Self.path(store, blob), with: [1])
            let same = try Self.blob(store, "same")
            try Files.replace(Self.path(store, same), with: Array("same".utf8))
            batch.add(blob)
            batch.add(same)
            try batch.finish()
            #expect(try Files.read(Self.path(store, blob), limit: 10) == Array("right".utf8))
            #expect(try Files.names(in: store.quarantinePath) == [blob.name])
            #expect(try Files.names(in: store.temporaryPath).isEmpty)
        }
    }
}
