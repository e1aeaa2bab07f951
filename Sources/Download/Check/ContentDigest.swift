import Basics
import Model

/// The digest of a content, computed while its bytes pass, and the verdict whether they are what they should be.
///
/// The bytes come in their order through ``update(_:)``. The digests of parts that were computed apart from each other, on
/// several threads, come in the order of the parts through ``append(_:)``.
public struct ContentDigest: ~Copyable {
    /// What the digest says of a content.
    public enum Verdict: Equatable, Sendable {
        /// The content matches its ETag; for a multipart upload, with this part size. The SHA-256 is there if it was wanted.
        case checked(partSize: Int64?, sha256: [UInt8]?)
        /// The ETag says nothing of the bytes. The content has this SHA-256, which is the expected one where that is known.
        case opaque(sha256: [UInt8])
        /// No likely part size gives the ETag of the multipart upload. The SHA-256 is there if it is known already.
        case unknownPartSize(sha256: [UInt8]?)
        /// The bytes do not match.
        case wrong
    }

    /// Passes a content to its argument, from the first byte to the last.
    public typealias Reading = (_ body: (UnsafeRawBufferPointer) -> Void) throws -> Void

    let expected: ExpectedDigest
    /// The length of a part; `.max` where the content has one digest.
    private let partSize: Int64
    /// The digest of the current part, and how many bytes it has taken.
    private var part: PartDigest
    private var inPart: Int64 = 0
    /// The MD5 of the parts' MD5s, and how many it has taken; nil where the content has one digest.
    private var ofParts: MD5?
    private var count: UInt32 = 0
    /// The one digest, where it was computed elsewhere.
    private var whole: [UInt8]?

    public init(_ expected: ExpectedDigest) {
        self.expected = expected
        partSize = expected.partSize ?? .max
        part = PartDigest(isSHA256: expected.isSHA256)
        ofParts = expected.partSize == nil ? nil : MD5()
    }

    /// Takes the next bytes.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        while !rest.isEmpty {
            let take = Int(min(Int64(rest.count), partSize - inPart))
            part.update(UnsafeRawBufferPointer(rebasing: rest[..<take]))
            inPart += Int64(take)
            rest = UnsafeRawBufferPointer(rebasing: rest[take...])
            if inPart == partSize { endPart() }
        }
    }

    /// Takes the digest of the next part, or of the whole content where that has no parts.
    public mutating func append(_ digest: [UInt8]) {
        guard ofParts != nil else {
            whole = digest
            return
        }
        digest.withUnsafeBytes { ofParts?.update($0) }
        count += 1
    }

    private mutating func endPart() {
        var finished = PartDigest(isSHA256: false)
        swap(&finished, &part)
        append(finished.finalize())
        inPart = 0
    }

    /// Whether what has passed matches: for a multipart upload, if its parts had the likeliest size.
    public consuming func matches() -> Bool {
        switch expected.kind {
        case .md5(let etag): return finalize() == etag.md5
        case .multipart(_, let sizes, _) where sizes.isEmpty: return false
        case .multipart(let etag, _, _):
            if inPart > 0 { endPart() }
            guard count == etag.parts else { return false }
            return finalize() == etag.md5
        case .sha256(let digest):
            guard let digest else { return true }
            return finalize() == digest
        }
    }

    /// Decides, once everything has passed.
    ///
    /// - Parameters:
    ///   - needsSHA256: the SHA-256 is wanted even where the ETag vouches for the content.
    ///   - again: reads the content once more: for each other part size that is tried, and for the SHA-256.
    public consuming func verdict(needsSHA256: Bool = false, again: Reading) throws -> Verdict {
        let partSize: Int64?
        switch expected.kind {
        case .sha256(let digest):
            let sha256 = finalize()
            return (digest ?? sha256) == sha256 ? .opaque(sha256: sha256) : .wrong
        case .md5:
            guard matches() else { return .wrong }
            partSize = nil
        case .multipart(let etag, let sizes, let isPartSizeKnown):
            guard let first = sizes.first else { return .unknownPartSize(sha256: finalize()) }
            if matches() {
                partSize = first
            } else if isPartSizeKnown {
                return .wrong
            } else if let other = try ContentDigest.partSize(of: etag, among: sizes.dropFirst(), again) {
                partSize = other
            } else {
                return .unknownPartSize(sha256: nil)
            }
        }
        return .checked(partSize: partSize, sha256: needsSHA256 ? try ContentDigest.sha256(again) : nil)
    }

    private consuming func finalize() -> [UInt8] {
        if let digest = ofParts.take() { return digest.finalize() }
        if let whole { return whole }
        return part.finalize()
    }

    private static func partSize(
        of etag: ETag, among sizes: ArraySlice<Int64>, _ reading: Reading
    ) throws -> Int64? {
        try sizes.first { size in
            let expected = ExpectedDigest(kind: .multipart(etag, partSizes: [size], isPartSizeKnown: true))
            var digest = ContentDigest(expected)
            try reading { digest.update($0) }
            return digest.matches()
        }
    }

    /// The SHA-256 of a content.
    static func sha256(_ reading: Reading) throws -> [UInt8] {
        var digest = SHA256()
        try reading { digest.update($0) }
        return digest.finalize()
    }
}
