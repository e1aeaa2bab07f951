import Basics
import Foundation
import Glibc
import S3
import Store

/// The kept inventories of a replica on their way into a store: what an index can be rebuilt from. A clone is whole without
/// them, so what goes wrong with one is only said.
struct ClonedInventories {
    private let replica: Replica
    private let store: Store
    private let note: (String) -> Void

    init(_ replica: Replica, _ store: Store, _ note: @escaping (String) -> Void) {
        (self.replica, self.store, self.note) = (replica, store, note)
    }

    /// Fetches what the store lacks. `reindex` checks each file against its inventory's manifest, and that against its
    /// checksum, before it uses them.
    func fetch(_ metadata: ReplicaMetadata) throws {
        guard let list = metadata.inventories else { return }
        let kept = Set(metadata.snapshots.map(\.name))
        var files: [String: [(path: String, size: Int64)]] = [:]
        for part in list.parts {
            try ReplicaManifest.forEachName(in: try replica.content(part), replica.place(part.path)) { item in
                guard case .inventoryFile(let path, let size) = item else { return }
                let name = String(path.prefix { $0 != "/" })
                if kept.contains(name) { files[name, default: []].append((path, size)) }
            }
        }
        let there = Set(KeptInventory.names(store))
        for (name, files) in files.sorted(by: { $0.key < $1.key }) where !there.contains(name) {
            try Interruption.check()
            do {
                try fetch(name, files)
            } catch let error as IcecoreError where ![.interrupted, .noSpace].contains(error.code) {
                note("warning: the inventory \(name) was not fetched: \(error)")
            }
        }
    }

    /// Fetches one: its manifest last, without which it does not count.
    private func fetch(_ name: String, _ files: [(path: String, size: Int64)]) throws {
        let root = "\(store.inventoriesPath)/\(name)"
        try Files.createDirectory(store.inventoriesPath)
        try Files.createDirectory(root)
        try Files.createDirectory("\(root)/data")
        func isLast(_ path: String) -> Bool { path == "\(name)/manifest.json" }
        for (path, size) in files where !isLast(path) { try copy(path, size, to: "\(store.inventoriesPath)/\(path)") }
        for directory in ["\(root)/data", root, store.inventoriesPath] { try Files.synchronizeDirectory(directory) }
        for (path, size) in files where isLast(path) { try copy(path, size, to: "\(store.inventoriesPath)/\(path)") }
        try Files.synchronizeDirectory(root)
    }

    private func copy(_ path: String, _ size: Int64, to target: String) throws {
        guard Files.size(target) != size else { return }
        let new = "\(store.temporaryPath)/clone-inventory"
        try Files.remove(new)
        defer { unlink(new) }
        switch replica.url {
        case .directory(let root):
            try Files.duplicate("\(root)/inventories/\(path)", at: new, sharing: [.clone])
        case .bucket(let location):
            guard let client = replica.client else { return }
            do {
                let key = location.key + Array("inventories/\(path)".utf8)
                try client.download(S3Download(bucket: location.bucket, key: key, path: new, size: size))
            } catch let failure as S3Failure {
                throw failure.asError
            }
        }
        guard Files.size(new) == size else {
            throw IcecoreError(.damaged, "\(replica.place("inventories/\(path)")) is not a file of \(size.of("byte"))")
        }
        try File(new, O_RDONLY).synchronize()
        try Files.rename(new, target)
    }
}
