import Basics
import Glibc
import Model
import Packs
import Store

/// The packs of a store, and the contents of those that are damaged.
struct PackFeed {
    private let folder: PackFolder
    /// Those that are still to come, the last first.
    private var names: [PackName]
    private var broken: [PackName] = []
    /// What is left of the pack that is broken up, the last first.
    private var records: [PackRecord] = []
    private var pack: PackFile?
    /// A pack could not be read.
    private(set) var lacksPacks = false

    /// Of the parts in which a large one is sent, in bytes.
    static let partLength: Int64 = 32 << 20

    /// - Parameter isEmpty: none is to be sent.
    init(_ store: Store, isEmpty: Bool) throws {
        folder = store.packs.folder
        _ = try store.packs.refresh()
        guard !isEmpty else {
            names = []
            return
        }
        names = (try store.packs.current()?.packs ?? [:]).sorted { $0.key > $1.key }.map(\.value)
    }

    /// The next pack, its bytes, and how many contents it has; nil after the last. What has vanished or is none, `verify`
    /// finds.
    mutating func next() throws -> (PackName, path: String, size: Int64, count: Int)? {
        while let name = names.popLast() {
            try Interruption.check()
            let path = folder.path(of: name)
            do {
                let pack = try PackFile(path: path)
                return (name, path, pack.size, pack.count)
            } catch let error as IcecoreError {
                if error.errno == EMFILE || error.code == .interrupted { throw error }
                lacksPacks = true
                if error.code == .damaged { broken.append(name) }
            }
        }
        return nil
    }

    mutating func breakUp(_ pack: PackName) {
        lacksPacks = true
        broken.append(pack)
    }

    var hasBroken: Bool { !broken.isEmpty || !records.isEmpty }

    /// The next sound content of the packs that are damaged.
    mutating func nextRecord() throws -> PackedBlob? {
        while true {
            if let record = records.popLast(), let pack { return PackedBlob(pack: pack, record: record) }
            guard let name = broken.popLast() else { return nil }
            records = []
            do {
                let path = folder.path(of: name)
                pack = try PackFile(forRecordsOf: path)
                var sound: [PackRecord] = []
                try PackScan(path: path).run { if case .record(let record) = $0 { sound.append(record) } }
                records = sound.reversed()
            } catch let error as IcecoreError where error.code != .interrupted {
                continue
            }
        }
    }
}
