import Basics
import Glibc
import Packs

/// What a prune does to packs that have dead contents: those that no row names any more. A rehearsal has the same plan.
///
/// A pack goes if all of its contents are dead, and is written anew without them if more than a quarter of its bytes is. In
/// any other they stay, and stay doomed, so that the next prune counts them again.
struct PackPlan {
    /// A pack that has dead contents.
    struct Pack {
        let number: UInt32
        let name: PackName
        /// Of the file.
        let size: Int64
        /// How many contents live, and the bytes of their records.
        let count: Int
        let recordBytes: Int64
    }

    /// Packs that become one.
    struct PackGroup {
        fileprivate(set) var packs: [Pack] = []
        fileprivate(set) var count = 0
        fileprivate(set) var recordBytes: Int64 = 0

        /// Of the file that they become.
        var size: Int64 { PackWriter.size(recordBytes: recordBytes, count: count) }

        /// Each pack on its own, the smallest first.
        var singles: [PackGroup] {
            packs.map { PackGroup(packs: [$0], count: $0.count, recordBytes: $0.recordBytes) }.sorted {
                $0.size < $1.size
            }
        }
    }

    private(set) var dropped: [Pack] = []
    /// The smallest come first: they need the least room, and make room for the others.
    private(set) var groups: [PackGroup] = []
    /// The packs in which dead contents stay.
    private(set) var staying: [UInt32] = []

    init(_ store: Store, _ contents: PruneContents) throws {
        guard let catalogue = try store.packs.current() else { return }
        var grouping = PackGrouping()
        for (number, dead) in contents.deadInPacks.sorted(by: { $0.key < $1.key }) {
            try Interruption.check()
            guard let name = catalogue.packs[number],
                let file = try PackPlan.sound({ try PackFile(path: store.packs.folder.path(of: name)) })
            else {
                staying.append(number)
                continue
            }
            let pack = Pack(
                number: number, name: name, size: file.size, count: file.count - dead.count,
                recordBytes: file.recordBytes - dead.recordBytes)
            if pack.count <= 0 {
                dropped.append(pack)
            } else if dead.bytes <= file.contentBytes / 4 {
                staying.append(number)
            } else if let keys = try PackPlan.sound({ try PackPlan.keys(file) }) {
                grouping.add(pack, keys)
            } else {
                staying.append(number)
            }
        }
        groups = grouping.groups.sorted { $0.size < $1.size }
    }

    /// Nil for a pack that is damaged or has vanished: that is for a repair, which asks for its contents again.
    private static func sound<Value>(_ read: () throws -> Value) throws -> Value? {
        do {
            return try read()
        } catch let error as IcecoreError where error.code == .damaged || error.errno == ENOENT {
            return nil
        }
    }

    private static func keys(_ file: PackFile) throws -> [PackKey] {
        var keys: [PackKey] = []
        let cursor = file.entries()
        while let entry = try cursor.read() { keys.append(entry.key) }
        return keys
    }

    /// How many packs go or are written anew.
    var changedPacks: Int { dropped.count + groups.reduce(0) { $0 + $1.packs.count } }

    /// What will have come of it if there is room.
    var expected: PrunedPacks {
        var packs = PrunedPacks()
        packs.dropped = dropped.count
        packs.rewritten = changedPacks - dropped.count
        for pack in dropped { packs.bytes += pack.size }
        for group in groups { packs.bytes += group.packs.reduce(0) { $0 + $1.size } - group.size }
        return packs
    }
}

/// Puts packs together for as long as what lives in them makes a pack of the usual size.
///
/// A pack has one content of a key. Packs that have a key in common do not come together, so that what they become is known
/// without reading them.
private struct PackGrouping {
    private static let mostKeys = 1 << 20
    private(set) var groups: [PackPlan.PackGroup] = []
    private var keys: Set<PackKey> = []

    mutating func add(_ pack: PackPlan.Pack, _ packKeys: [PackKey]) {
        var group = PackPlan.PackGroup()
        if let last = groups.last, last.size + pack.recordBytes <= PackWriter.usualSize,
            last.count + pack.count <= PackWriter.mostRecords, keys.count + packKeys.count <= PackGrouping.mostKeys,
            keys.isDisjoint(with: packKeys)
        {
            group = groups.removeLast()
        } else {
            keys.removeAll(keepingCapacity: true)
        }
        group.packs.append(pack)
        group.count += pack.count
        group.recordBytes += pack.recordBytes
        keys.formUnion(packKeys)
        groups.append(group)
    }
}
