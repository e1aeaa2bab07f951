import Basics
import Download
import Glibc
import Inventory
import Model
import Packs
import Store

/// The files of a store other than its blobs and its index.
struct StoreFiles {
    let store: Store

    /// Finds what does not belong in the store or directly in `blobs/`.
    func foreign(_ body: (Finding) throws -> Void) throws {
        for name in try Files.names(in: store.path) where !StoreLayout.isOwn(name) {
            try body(Finding(.foreign, name, "does not belong to the store"))
        }
        for name in ["blobs", "packs", "tmp", "inventories", "quarantine"] {
            var status = stat()
            guard lstat("\(store.path)/\(name)", &status) == 0 else { continue }
            if status.st_mode & S_IFMT != S_IFDIR {
                try body(Finding(.damaged, name, "is not a directory of this store: nothing in it is checked"))
            }
        }
        guard let names = try? Files.names(in: store.blobs.path) else { return }
        for name in names {
            let isFan = name.utf8.count == 2 && name.utf8.allSatisfy { Hex.value($0) != nil && !(65...70).contains($0) }
            if !isFan { try body(Finding(.foreign, "blobs/\(name)", "is not a directory of blobs")) }
        }
    }

    /// Finds what does not belong in `packs/`.
    func foreignPacks(_ body: (Finding) throws -> Void) throws {
        let folder = store.packs.folder
        guard let names = try? Files.names(in: folder.path) else { return }
        for name in names.sorted() where !folder.isOwn(name) {
            guard let files = try? Files.names(in: "\(folder.path)/\(name)"), folder.isFan(name) else {
                try body(Finding(.foreign, "packs/\(name)", "does not belong to the packs"))
                continue
            }
            for file in files.sorted() where PackName(file)?.path != "\(name)/\(file)" {
                try body(Finding(.foreign, "packs/\(name)/\(file)", "is not the name of a pack"))
            }
        }
    }

    /// Checks the kept inventories of the snapshots.
    func inventories(
        _ snapshots: [String: [UInt8]], throttle: Throttle?, progress: (Int, Int) -> Void,
        _ body: (Finding) throws -> Void
    ) throws {
        guard let names = try? Files.names(in: store.inventoriesPath) else { return }
        for (place, name) in names.enumerated() {
            progress(place, names.count)
            let directory = "\(store.inventoriesPath)/\(name)"
            guard InventoryName.isValid(name) else {
                try body(Finding(.foreign, "inventories/\(name)", "is not an inventory"))
                continue
            }
            // An interrupted sync may have left part of an inventory that is not a snapshot's.
            guard let md5 = snapshots[name], Files.exists("\(directory)/manifest.json") else { continue }
            try check(directory, name, md5, throttle, body)
        }
    }

    private func check(
        _ directory: String, _ name: String, _ md5: [UInt8], _ throttle: Throttle?, _ body: (Finding) throws -> Void
    ) throws {
        let path = "inventories/\(name)"
        func finding(_ error: IcecoreError, _ file: String) throws {
            try Interruption.check()
            if error.errno == EMFILE || error.errno == ENFILE { throw error }
            try body(Finding(error.code == .forbidden ? .unreadable : .damaged, "\(path)/\(file)", error.message))
        }
        let manifest: InventoryManifest
        do {
            let json = try Files.read("\(directory)/manifest.json", limit: InventoryManifest.largestJSON)
            guard MD5.digest(json) == md5 else {
                return try body(
                    Finding(.damaged, "\(path)/manifest.json", "is not the manifest that was synced"))
            }
            manifest = try InventoryManifest(
                json: json, origin: "\(directory)/manifest.json", named: InventoryName.timestamp(name))
        } catch let error as IcecoreError {
            return try finding(error, "manifest.json")
        }
        for (place, file) in KeptInventory.fileNames(manifest).enumerated() {
            do {
                let path = "\(directory)/data/\(file)"
                try throttle?.pass(Int(clamping: Files.size(path) ?? 0))
                guard Files.size(path) != nil else {
                    try body(Finding(.damaged, "inventories/\(name)/data/\(file)", "is not there"))
                    continue
                }
                if try ContentCheck.md5(path) != manifest.files[place].md5 {
                    try body(Finding(.damaged, "inventories/\(name)/data/\(file)", "has another MD5"))
                }
            } catch let error as IcecoreError {
                try finding(error, "data/\(file)")
            }
        }
    }
}
