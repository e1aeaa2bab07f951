import Basics
import Inventory

/// The copy of an inventory that a store keeps, from which its index can be made again: `inventories/<name>/`.
public enum KeptInventory {
    /// The names of the list files below `data/`, in the manifest's order: the last components of their keys, with a number
    /// before them where two would be the same or could be no file.
    public static func fileNames(_ manifest: Manifest) -> [String] {
        let names = manifest.files.map { file in
            file.key.split(separator: "/", omittingEmptySubsequences: false).last.map(String.init) ?? ""
        }
        let isPlain = names.allSatisfy { name in
            !name.isEmpty && name != "." && name != ".." && !name.utf8.contains(0) && name.utf8.count < 200
                && !name.hasSuffix(".part")
        }
        if isPlain, Set(names).count == names.count { return names }
        return names.indices.map { "list-\($0)" }
    }

    /// The names of the inventories that a store keeps whole, as far as their files tell; oldest first.
    public static func names(_ store: Store) -> [String] {
        ((try? Files.names(in: store.inventoriesPath)) ?? []).filter { name in
            InventoryName.isValid(name) && Files.size("\(store.inventoriesPath)/\(name)/manifest.json") != nil
                && Files.size("\(store.inventoriesPath)/\(name)/manifest.checksum") != nil
        }
    }

    /// Removes a kept inventory, its manifest first: without one, what is left is nothing.
    public static func remove(_ name: String, _ store: Store) throws {
        let directory = "\(store.inventoriesPath)/\(name)"
        try Files.remove("\(directory)/manifest.json")
        try Files.removeAll(directory)
    }
}
