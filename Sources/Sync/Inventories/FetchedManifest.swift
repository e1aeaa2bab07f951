import Basics
import Inventory

/// An inventory's manifest: parsed, and the two files it came in, of which the store keeps copies.
struct FetchedManifest {
    var manifest: InventoryManifest
    /// manifest.json.
    var json: [UInt8]
    /// manifest.checksum.
    var checksum: [UInt8]

    /// The MD5 of manifest.json, by which an inventory is recognized.
    var md5: [UInt8] { MD5.digest(json) }
}
