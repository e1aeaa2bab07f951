import Basics
import Inventory

/// The two files of an inventory's manifest, compared with each other and not yet understood.
struct FetchedDocument {
    var json: [UInt8]
    var checksum: [UInt8]
    /// Where they are from, for error messages.
    var origin: String
    /// When its folder's name says that it was taken.
    var named: Timestamp?

    /// - Throws: `invalidData` or `unsupported` if it is not one that can be synced.
    func manifest() throws -> FetchedManifest {
        FetchedManifest(
            manifest: try InventoryManifest(json: json, origin: origin, named: named), json: json, checksum: checksum)
    }
}
