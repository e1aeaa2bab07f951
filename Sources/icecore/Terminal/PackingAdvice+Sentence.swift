import Basics
import Store

extension PackingAdvice {
    /// What `status` and `sync` say.
    var sentence: String {
        "\(files) blobs of \(meanSize.byteCount) on average are files of their own: 'icecore pack' would free about "
            + "\(files) inodes and \(bytes.byteCount)"
    }

    /// Nil where the store has packs already, or nothing to gain.
    static func forStoreWithoutPacks(_ store: Store) throws -> PackingAdvice? {
        guard store.configuration.packBelow == nil, Files.exists(store.indexPath) else { return nil }
        let totals = try store.reader().totals()
        return PackingAdvice(store, blobs: totals.blobs, bytes: totals.blobBytes, try PackedContents(store))
    }
}
