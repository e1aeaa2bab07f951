import Basics
import Index
import Inventory
import Model
import Store

/// Inventories without the column `ETag`, the default of AWS's console: they tell which versions there are, but not what
/// their contents are.
///
/// A version's ETag is part of its identity. So a store has either such inventories or others, as the first one decides.
struct UnknownETags {
    let store: Store
    let options: SyncOptions

    /// Refuses an inventory that lacks what a sync needs, or would mix the two kinds.
    ///
    /// - Parameter points: the snapshots that the store has.
    /// - Returns: the store, whose ETags are unknown, or known, from now on; it is not written down.
    func admit(_ manifest: InventoryManifest, _ name: String, _ points: [Timeline.Point]) throws -> Store {
        let isUnknown = store.configuration.etagsUnknownSince != nil
        if !manifest.hasETags, !options.metadataOnly {
            let origin = Display.escaped(manifest.origin)
            let lack =
                manifest.format.isColumnar
                ? "the list files of '\(origin)' lack the column 'ETag'"
                : "the manifest '\(origin)' lacks the column 'ETag' in its fileSchema"
            throw IcecoreError(
                .unsupported,
                "\(lack): without ETags contents can be neither told apart nor checked. Add the field to the bucket's "
                    + "inventory configuration, do without an inventory ('icecore sync --list'), or sync with "
                    + "--metadata-only: dates, listings and mounts, but no contents")
        }
        if points.contains(where: { $0.name == name }) || manifest.hasETags != isUnknown { return store }
        guard points.isEmpty else {
            let (its, others) = manifest.hasETags ? ("has ETags", "do not") : ("has no ETags", "do")
            throw IcecoreError(
                .unsupported,
                "the inventory \(name) \(its), but those that the store has \(others): their versions cannot be "
                    + "recognized in each other. Sync it into a new store ('icecore init')"
                    + (manifest.hasETags ? "; this one has no contents to lose" : ""))
        }
        guard !options.dryRun else { return store }
        var configuration = store.configuration
        configuration.setETags(areKnown: manifest.hasETags)
        return store.with(configuration)
    }
}
