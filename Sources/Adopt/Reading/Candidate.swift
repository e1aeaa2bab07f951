import Basics
import Download
import Model

/// A digest that may vouch for a file.
enum CandidateDigest: Hashable, Sendable {
    case md5
    /// That of a multipart upload in these parts.
    case parts(PartLayout)
    case sha256

    /// The name of a blob of these bytes, and the layout that it needs.
    ///
    /// - Parameter reading: passes the bytes, from the first to the last.
    func name(size: Int64, _ reading: ContentDigest.Reading) throws -> BlobName {
        switch self {
        case .sha256:
            var digest = ContentDigest(.sha256(nil))
            try reading { digest.update($0) }
            return .sha256(digest.digest(), size: size)
        case .md5: return try name(size: size, parts: 0, nil, reading)
        case .parts(let layout):
            return try name(size: size, parts: UInt32(clamping: layout.count(ofSize: size)), layout, reading)
        }
    }

    private func name(
        size: Int64, parts: UInt32, _ layout: PartLayout?, _ reading: ContentDigest.Reading
    ) throws -> BlobName {
        // What is expected says only how the bytes are divided.
        let form = ETag(high: 0, low: 0, parts: parts)
        var digest = ContentDigest(.etag(form, size: size, parts: layout))
        try reading { digest.update($0) }
        let (high, low) = digest.digest().withUnsafeBytes { bytes in
            (
                UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
        return .etag(ETag(high: high, low: low, parts: parts), size: size)
    }

    /// The recorded or tried layout.
    var layout: PartLayout? {
        if case .parts(let layout) = self { layout } else { nil }
    }
}

/// A file that may hold a wanted content.
struct Candidate: Sendable {
    /// What a thread that has read it keeps of the bytes.
    enum Keeping: Sendable {
        /// Nothing: the digests are all that is asked.
        case nothing
        /// A clone where the file system can, else a copy.
        case clone
        case copy
    }

    let directory: SourceDirectory
    let name: [UInt8]
    /// As the walk has seen it.
    let state: FileState
    /// What to compute, the likeliest first.
    var digests: [CandidateDigest]
    /// Contents of its key that the store lacks and that it may be. One of them ends the search.
    var lacking: [IndexedContent] = []
    /// Contents of its key and size that the store has.
    var there: [IndexedContent] = []
    /// The key has a content that the store lacks, of whatever size; nothing else is wrong with the file then.
    var isUnderWantedKey = false
    /// Why nothing can vouch for it, if that is so.
    var isUnverifiable = false
    var keeping: Keeping
    /// It was read before and found to be this content.
    var expected: (content: IndexedContent, name: BlobName)?

    var path: [UInt8] { directory.path + name }

    /// A name that needs no look into the index.
    func isLikely(_ name: BlobName) -> Bool {
        if let expected { return expected.name == name }
        return lacking.contains { $0.name == name }
    }
}

/// What reading a file has given.
struct Examined: Sendable {
    /// The bytes that were kept.
    enum KeptBytes: Sendable {
        case nothing
        case memory(HeldContent, temporary: String)
        case file(String, isClone: Bool)
    }

    enum Result: Sendable {
        /// The names that blobs of these bytes have, with their layouts.
        case names([(name: BlobName, layout: PartLayout?)], KeptBytes)
        /// Why it could not be read, as a sentence without a subject.
        case unreadable(String)
        /// The work was to stop.
        case stopped
        /// The store could not be written to.
        case failed(any Error)
    }

    var candidate: Candidate
    var result: Result
}
