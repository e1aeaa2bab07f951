import Basics
import Model

/// The digest of a content, computed while its bytes pass, and the verdict whether they are what they should be.
///
/// The bytes come in their order through ``update(_:)``. The digests of parts that were computed apart from each other, on
/// several threads, come in the order of the parts through ``append(_:)``.
public struct ContentDigest: ~Copyable {
    /// What the digest says of a content.
    public enum Verdict: Equatable, Sendable {
        /// The content matches its ETag; for a multipart upload, in these parts. The SHA-256 is there if it was wanted.
        case checked(parts: PartLayout?, sha256: [UInt8]?)
        /// The ETag says nothing of the bytes. The content has this SHA-256, which is the expected one where that is known.
        case opaque(sha256: [UInt8])
        /// Nothing vouches for the content yet: no likely layout gives the ETag of the multipart upload, or the ETag is known
        /// to say nothing. The SHA-256 is there if it is known already.
        case undecided(sha256: [UInt8]?)
        /// The bytes do not match: they have this digest instead of the expected one, which the ETag says, or a checksum of
        /// the source.
        case wrong(digest: [UInt8], by: ChecksumAlgorithm? = nil)
    }

    /// Passes a content to its argument, from the first byte to the last.
    public typealias Reading = (_ body: (UnsafeRawBufferPointer) -> Void) throws -> Void

    let expected: ExpectedDigest
    /// How the content is divided; nil where it has one digest.
    private let parts: PartLayout?
    /// The digest of the current part, and how many bytes it lacks.
    private var part: PartDigest
    private var missing: Int64
    private var isPartBegun = false
    /// The MD5 of the parts' MD5s, and how many it has taken; nil where the content has one digest.
    private var ofParts: MD5?
    private var count = 0
    /// The one digest, where it was computed elsewhere.
    private var whole: [UInt8]?

    public init(_ expected: ExpectedDigest) {
        self.expected = expected
        parts = expected.parts
        missing = parts?.length(ofPart: 0) ?? .max
        part = PartDigest(isSHA256: expected.isSHA256)
        ofParts = parts == nil ? nil : MD5()
    }

    /// Takes the next bytes.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        while !rest.isEmpty {
            let take = Int(min(Int64(rest.count), missing))
            part.update(UnsafeRawBufferPointer(rebasing: rest[..<take]))
            isPartBegun = true
            missing -= Int64(take)
            rest = UnsafeRawBufferPointer(rebasing: rest[take...])
            if missing == 0 { endPart() }
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
        missing = parts?.length(ofPart: count) ?? .max
        isPartBegun = false
    }

    /// Whether what has passed matches: for a multipart upload, if it was divided in the likeliest way.
    public consuming func matches() -> Bool {
        result().matches
    }

    /// The digest of what has passed, whatever was expected.
    package consuming func digest() -> [UInt8] {
        result().digest
    }

    /// Whether what has passed matches, and the digest that it has.
    private consuming func result() -> (matches: Bool, digest: [UInt8]) {
        switch expected.kind {
        case .md5(let etag):
            let digest = finalize()
            return (digest == etag.md5, digest)
        case .multipart(let etag, let layouts, _):
            if layouts.isEmpty { return (false, finalize()) }
            // The upload of an empty content has one part, without bytes.
            if isPartBegun || count == 0 { endPart() }
            let hasAllParts = count == Int(etag.parts)
            let digest = finalize()
            return (hasAllParts && digest == etag.md5, digest)
        case .sha256(let wanted):
            let digest = finalize()
            return (wanted == nil || wanted == digest, digest)
        case .nothing: return (false, finalize())
        }
    }

    /// Decides, once everything has passed.
    ///
    /// - Parameters:
    ///   - needsSHA256: the SHA-256 is wanted even where the ETag vouches for the content.
    ///   - again: reads the content once more: for each other layout that is tried, and for the SHA-256.
    public consuming func verdict(needsSHA256: Bool = false, again: Reading) throws -> Verdict {
        let kind = expected.kind
        let (matches, digest) = result()
        let parts: PartLayout?
        switch kind {
        case .sha256: return matches ? .opaque(sha256: digest) : .wrong(digest: digest)
        case .nothing: return .undecided(sha256: digest)
        case .md5:
            guard matches else { return .wrong(digest: digest) }
            parts = nil
        case .multipart(let etag, let layouts, let isCertain):
            guard let first = layouts.first else { return .undecided(sha256: digest) }
            if matches {
                parts = first
            } else if isCertain {
                return .wrong(digest: digest)
            } else if let other = try ContentDigest.layout(of: etag, among: layouts.dropFirst(), again) {
                parts = other
            } else {
                return .undecided(sha256: nil)
            }
        }
        return .checked(parts: parts, sha256: needsSHA256 ? try ContentDigest.sha256(again) : nil)
    }

    private consuming func finalize() -> [UInt8] {
        if let digest = ofParts.take() { return digest.finalize() }
        if let whole { return whole }
        return part.finalize()
    }

    private static func layout(
        of etag: ETag, among layouts: ArraySlice<PartLayout>, _ reading: Reading
    ) throws -> PartLayout? {
        try layouts.first { layout in
            let expected = ExpectedDigest(kind: .multipart(etag, layouts: [layout], isCertain: true))
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
