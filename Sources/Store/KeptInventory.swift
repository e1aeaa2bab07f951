import Basics
import Foundation
import Glibc
import Inventory
import Model

/// The copy of an inventory that a store keeps, from which its index can be rebuilt: `inventories/<name>/`.
public enum KeptInventory {
    /// The names of the list files below `data/`, in the manifest's order: the last components of their keys, or
    /// numbers if two of those are equal or one cannot be a file name.
    public static func fileNames(_ manifest: InventoryManifest) -> [String] {
        let names = manifest.files.map { file in
            file.key.split(separator: "/", omittingEmptySubsequences: false).last.map(String.init) ?? ""
        }
        let isPlain = names.allSatisfy { name in
            !name.isEmpty && name != "." && name != ".." && !name.utf8.contains(0) && name.utf8.count < 200
        }
        if isPlain, Set(names).count == names.count { return names }
        return names.indices.map { "list-\($0)" }
    }

    /// The names of the inventories that a store keeps whole, judging by their files; oldest first.
    public static func names(_ store: Store) -> [String] {
        ((try? Files.names(in: store.inventoriesPath)) ?? []).filter { name in
            InventoryName.isValid(name) && Files.size("\(store.inventoriesPath)/\(name)/manifest.json") != nil
                && Files.size("\(store.inventoriesPath)/\(name)/manifest.checksum") != nil
        }.sorted(by: isEarlier)
    }

    /// Whether one name stands for an earlier time than another. Names with seconds are not in the order of their bytes.
    public static func isEarlier(_ name: String, _ other: String) -> Bool {
        let times = (InventoryName.timestamp(name) ?? .distantPast, InventoryName.timestamp(other) ?? .distantPast)
        return times.0 == times.1 ? name < other : times.0 < times.1
    }

    /// The options that a snapshot was synced with, in case the index is lost: `inventories/<name>/sync.json`.
    private struct Terms: Codable {
        var metadataOnly: Bool
        var filter: String?
        var permanentFilter: String?
    }

    /// Writes the options that a snapshot is synced with beside its inventory.
    public static func write(
        metadataOnly: Bool, filter: String?, permanentFilter: String?, _ name: String, _ store: Store
    )
        throws
    {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let terms = Terms(metadataOnly: metadataOnly, filter: filter, permanentFilter: permanentFilter)
        try Files.replace(
            "\(store.inventoriesPath)/\(name)/sync.json", with: Array(try encoder.encode(terms)) + [UInt8(ascii: "\n")])
    }

    /// The options that a snapshot was synced with, if known; otherwise those of a sync without options.
    public static func policy(_ name: String, _ store: Store) throws -> DownloadPolicy {
        let path = "\(store.inventoriesPath)/\(name)/sync.json"
        guard let content = try? Files.read(path, limit: 1 << 20),
            let terms = try? UntrustedJSON.decode(Terms.self, from: content)
        else {
            return try DownloadPolicy(
                metadataOnly: false, filter: nil, permanentFilter: store.configuration.filter)
        }
        return try DownloadPolicy(
            metadataOnly: terms.metadataOnly, filter: terms.filter, permanentFilter: terms.permanentFilter)
    }

    /// Removes kept inventories, their manifests first: without a manifest, the rest does not count. No manifest comes
    /// back after a power cut without the files that it names.
    public static func remove(_ names: [String], _ store: Store) throws {
        let directories = names.map { "\(store.inventoriesPath)/\($0)" }
        var count = 0
        for directory in directories {
            var status = stat()
            // If an inventory's name is a link, it is not followed.
            guard lstat(directory, &status) == 0, status.st_mode & S_IFMT == S_IFDIR,
                Files.exists("\(directory)/manifest.json")
            else { continue }
            try Files.remove("\(directory)/manifest.json")
            count += 1
        }
        if count > 0 { try Files.synchronizeFileSystem(File(store.inventoriesPath, O_RDONLY | O_DIRECTORY)) }
        for directory in directories { try Files.removeAll(directory) }
    }
}
