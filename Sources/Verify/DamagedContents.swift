import Basics
import Blobs
import Index
import Model
import Packs
import Store

/// Damaged contents, and the versions that need them, as far as they are found.
final class DamagedContents {
    private struct DamagedPlace {
        let kind: Finding.Kind
        let path: String
        let reason: String
        /// Of a content in a pack.
        var packed: (file: String, hit: PackHit)?
        var isReported = false
    }

    private let store: Store
    /// Whether contents can be found in packs.
    private let canFind: Bool
    private var list: [DamagedPlace] = []
    /// Which of the list concern a content.
    private var byContent: [ContentKey: [Int]] = [:]
    /// Those of which only the key is known, by that: any content with this ETag can be meant.
    private var byKey: [PackKey: [Int]] = [:]
    private var byDigest: [[UInt8]: [Int]] = [:]

    /// - Parameters:
    ///   - files: damaged files below `blobs/`, by their names.
    ///   - packs: what was found of packs.
    ///   - canFind: whether the catalogue of packs is sound.
    init(
        _ store: Store, files: [String: (kind: Finding.Kind, reason: String)], packs: [PackReport], canFind: Bool
    ) {
        self.store = store
        self.canFind = canFind
        for (name, damage) in files.sorted(by: { $0.key < $1.key }) {
            list.append(
                DamagedPlace(kind: damage.kind, path: "blobs/\(Blobs.fan(name))/\(name)", reason: damage.reason))
            note(BlobName(name), nil)
        }
        for pack in packs {
            let file = store.packs.folder.path(of: pack.name)
            for hit in pack.hits {
                list.append(DamagedPlace(kind: .damaged, path: pack.path, reason: hit.reason, packed: (file, hit)))
                note(hit.name, hit.key)
            }
        }
    }

    private func note(_ name: BlobName?, _ key: PackKey?) {
        let place = list.count - 1
        switch name {
        case .etag(let etag, let size): byContent[ContentKey(etag: etag, size: size), default: []].append(place)
        case .sha256(let digest, _): byDigest[digest, default: []].append(place)
        case nil: if let key { byKey[key, default: []].append(place) }
        }
    }

    var isEmpty: Bool { list.isEmpty }

    /// Asks the index which contents are named by a SHA-256.
    func resolve(_ missing: MissingContents) throws {
        guard !byDigest.isEmpty || !byKey.isEmpty else { return }
        let found = try missing.contents { digest in
            byDigest[digest] != nil || PackKey(.sha256(digest, size: 0)).map { byKey[$0] != nil } ?? false
        }
        for (content, digest) in found {
            if let places = byDigest[digest] { byContent[content, default: []] += places }
            let name = BlobName.sha256(digest, size: content.size)
            guard let key = PackKey(name), let places = byKey[key] else { continue }
            let hit = try places.filter { try isHit(name, $0) }
            if !hit.isEmpty { byContent[content, default: []] += hit }
        }
    }

    /// Whether a content is damaged.
    func isKnown(_ content: ContentKey) throws -> Bool {
        if byContent[content] != nil { return true }
        if byKey.isEmpty || content.etag.verbatim != nil { return false }
        let name = BlobName.etag(content.etag, size: content.size)
        guard let key = PackKey(name), let places = byKey[key] else { return false }
        let hit = try places.filter { try isHit(name, $0) }
        if hit.isEmpty { return false }
        byContent[content] = hit
        return true
    }

    /// Whether a damaged record, of which only the key is known, is what the store has of a content.
    private func isHit(_ name: BlobName, _ place: Int) throws -> Bool {
        guard let packed = list[place].packed else { return false }
        if !canFind { return true }
        switch try store.blobs.find(name) {
        case nil: return true
        case .file: return false
        case .packed(let found): return found.record.place == packed.hit.place && found.pack.path == packed.file
        }
    }

    /// Takes what has not been reported of a content.
    ///
    /// - Returns: nil if the content is not known.
    func take(_ version: MissingContents.Occurrence) -> [Finding]? {
        guard let places = byContent[version.content] else { return nil }
        return places.compactMap { place in
            if list[place].isReported { return nil }
            list[place].isReported = true
            return finding(list[place], version)
        }
    }

    /// What no version needs.
    func rest() -> [Finding] {
        list.filter { !$0.isReported }.map { finding($0, nil) }
    }

    private func finding(_ damage: DamagedPlace, _ version: MissingContents.Occurrence?) -> Finding {
        Finding(damage.kind, damage.path, damage.reason, version, blob: damage.packed?.hit.name)
    }
}
