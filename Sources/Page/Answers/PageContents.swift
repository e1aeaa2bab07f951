import Basics
import Blobs
import Index
import Model
import Serving

/// The contents of versions, in one state of the store.
struct PageContents {
    private let state: ServedReader

    init(_ state: ServedReader) {
        self.state = state
    }

    /// The version of a key with an id; without one, what the view of a WHEN shows, or else the view that pages open at.
    func version(
        _ key: [UInt8], id: [UInt8]?, at: String?
    ) throws -> (identity: VersionIdentity, flags: EntryRow.Flags, type: String?, isLatest: Bool) {
        let versions = try state.index.versions(ofKey: key)?.versions ?? []
        let found: KeyVersions.Entry?
        if let id {
            found = versions.first { $0.identity.versionId == id && !$0.identity.isMarker }
        } else {
            let when = try (at ?? state.served.home).map { text throws(IcecoreError) in try When(text) }
            let view = try state.index.view(when ?? .latest)
            let identity = try state.index.version(ofKey: key, view)?.identity
            found = versions.first { $0.identity == identity }
        }
        guard let found else { throw IcecoreError(.notFound, "there is no such version of this key") }
        let type = try state.index.headers(of: found, key: key)?.fields["content-type"]
        return (found.identity, found.flags, type, found.isLatest)
    }

    /// Where a content is.
    ///
    /// - Throws: `notFound` with a sentence if it cannot be had.
    func find(
        _ key: [UInt8], _ identity: VersionIdentity, _ flags: EntryRow.Flags, isLatest: Bool
    ) throws -> ServedContent {
        let content = try state.content(identity, flags, key: key, isLatest: isLatest)
        guard case .unavailable(let contentState) = content else { return content }
        let why =
            switch contentState {
            case .gone: "it is gone: the bucket had lost it before it could be fetched"
            case .pruned: "it was pruned"
            case .archived: "it is archived, and would have to be restored in the bucket first"
            case .refused: "the bucket refuses it"
            case .present, .missing, .unrequested: "it is not in the store"
            }
        throw IcecoreError(.notFound, "the content of this version cannot be had: \(why)")
    }

    /// The first bytes of a content that is here.
    func beginning(
        key: [UInt8], _ version: KeyVersions.Entry, limit: Int, _ reader: IndexReader
    ) throws -> [UInt8] {
        let content = try find(key, version.identity, version.flags, isLatest: version.isLatest)
        return try PageContents.beginning(of: content, size: version.identity.size, limit: limit)()
    }

    /// What reads all of a content, piece by piece.
    static func pieces(of content: ServedContent, size: Int64) -> () throws -> [UInt8]? {
        switch content {
        case .empty, .unavailable: return { nil }
        case .elsewhere(let absent): return absent.pieces(0..<size)
        case .here(let blob):
            var position: Int64 = 0
            return {
                guard position < blob.size else { return nil }
                var bytes = [UInt8](repeating: 0, count: Int(min(piece, blob.size - position)))
                try bytes.withUnsafeMutableBytes { try blob.read(into: $0, at: position) }
                position += Int64(bytes.count)
                return bytes
            }
        }
    }

    private static let piece: Int64 = 512 << 10

    /// What reads the first bytes of a content, fetched where it must be.
    static func beginning(of content: ServedContent, size: Int64, limit: Int) -> () throws -> [UInt8] {
        let count = min(size, Int64(limit))
        switch content {
        case .empty, .unavailable: return { [] }
        case .here(let blob):
            return {
                var bytes = [UInt8](repeating: 0, count: Int(min(blob.size, count)))
                try bytes.withUnsafeMutableBytes { try blob.read(into: $0, at: 0) }
                return bytes
            }
        case .elsewhere(let absent):
            return {
                var bytes: [UInt8] = []
                let next = absent.pieces(0..<count)
                while let piece = try next() { bytes += piece }
                return bytes
            }
        }
    }
}
