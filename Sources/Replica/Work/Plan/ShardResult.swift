import Basics
import Download
import Model

/// What has become of a shard: its `.done`. It is written once, and only when everything that it names is in the object store.
struct ShardResult: Codable, Sendable {
    var format = WorkFormat.current
    var shard: Int
    var worker: String
    var doneAt: String
    /// Contents that are objects of their own, by their names.
    var blobs: [String] = []
    var packs: [DonePack] = []
    /// The catalogue of the packs, in base64.
    var catalogue: String?
    var facts: [DoneFact] = []
    var failures: [DoneFailure] = []
    var headers: [DoneHeaders] = []
    var tally = DownloadTally()
    /// Packs that others who had the shard may have left: nothing names them.
    var abandoned: [String]?

    /// Names of packs, as paths, that may be there and that nothing names unless this result counts.
    var packPaths: [String] { packs.map(\.path) }
}

struct DonePack: Codable, Sendable {
    /// `packs/…`.
    var path: String
    var size: Int64
    /// Its contents, and their bytes.
    var contents: Int
    var contentBytes: Int64
}

/// What an ETag does not say of a content.
struct DoneFact: Codable, Sendable {
    var etag: PlannedText
    var size: Int64
    var sha256: String?
    /// The bytes of each part but the last, if they are equal; or of all.
    var partSize: Int64?
    var parts: [Int64]?

    init(_ fact: BlobFact) {
        etag = PlannedText(Array(fact.etag.description.utf8))
        size = fact.size
        sha256 = fact.sha256.map { Hex.encode($0) }
        switch fact.parts {
        case .even(let size): partSize = size
        case .uneven(let sizes): parts = sizes
        case nil: break
        }
    }

    /// Nil if that is no fact.
    var fact: BlobFact? {
        let etag = ETag(self.etag.bytes)
        if let sha256 {
            guard let digest = Hex.decode(Array(sha256.utf8)), digest.count == 32 else { return nil }
            return BlobFact(etag: etag, size: size, .sha256(digest))
        }
        if let partSize { return partSize > 0 ? BlobFact(etag: etag, size: size, .parts(.even(partSize))) : nil }
        guard let parts, let layout = PartLayout(sizes: parts, size: size, count: etag.parts) else { return nil }
        return BlobFact(etag: etag, size: size, .parts(layout))
    }
}

/// A version that could not be fetched.
struct DoneFailure: Codable, Sendable {
    var want: PlannedWant
    var kind: String
    var reason: String
}

/// The headers of a version.
struct DoneHeaders: Codable, Sendable {
    var want: PlannedWant
    /// As JSON; absent: nothing but the bytes.
    var headers: String?
    var isComplete: Bool
}
