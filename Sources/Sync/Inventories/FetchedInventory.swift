import Basics
import Inventory

/// An inventory whose files are on the local disk.
struct FetchedInventory {
    var name: String
    var manifest: InventoryManifest
    /// The MD5 of manifest.json.
    var md5: [UInt8]
    /// The list files, in the manifest's order.
    var paths: [String]

    /// What tells afterwards whether the list files are still what was read: to be taken before they are.
    func stamps() throws(IcecoreError) -> [FileStamp] {
        var stamps: [FileStamp] = []
        for path in paths { stamps.append(try FileStamp(path)) }
        return stamps
    }
}
