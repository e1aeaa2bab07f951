import Basics
import Glibc
import Packs

/// Carries out what a prune does to packs.
///
/// New packs have their names before the catalogue lists them, and old ones are removed when it no longer does: after a kill
/// the next command removes whichever the catalogue does not list.
final class PackCleaner {
    private let store: Store
    private let keeper: PackKeeper
    private let contents: PruneContents
    private let progress: (PruneProgress) -> Void
    /// Room that is left to the index.
    private static let margin: Int64 = 1 << 20
    /// What has been done; numbers of dead contents are not known here.
    private(set) var outcome = PrunedPacks()
    /// The numbers of packs that were to go, and stay.
    private(set) var left: [UInt32] = []
    // What the catalogue does not say yet.
    private var dropped: [PackPlan.Pack] = []
    private var rewritten: [PackPlan.Pack] = []
    private var new: [FinishedPack] = []

    init(_ store: Store, _ contents: PruneContents, progress: @escaping (PruneProgress) -> Void) {
        self.store = store
        self.contents = contents
        self.progress = progress
        keeper = PackKeeper(store)
    }

    /// What fits on the disk is done. The rest stays as it is, which the outcome says.
    func run(_ plan: PackPlan) throws {
        let count = plan.changedPacks
        guard count > 0 else { return }
        dropped = plan.dropped
        // The next one is the last.
        var groups = Array(plan.groups.reversed())
        while let group = groups.popLast() {
            try Interruption.check()
            progress(.rewriting(packs: count - groups.reduce(group.packs.count) { $0 + $1.packs.count }, of: count))
            if try !fits(group) {
                // What is still to be removed makes room.
                let makesRoom = isPending
                try commit()
                if try !makesRoom || !fits(group) {
                    if group.packs.count > 1 {
                        groups += group.singles.reversed()
                    } else {
                        outcome.withoutRoom += group.packs.count
                        left += group.packs.map(\.number)
                    }
                }
            }
            // A catalogue is written as a whole each time.
            if new.reduce(0, { $0 + $1.size }) >= max(1 << 30, 4 * catalogueSize) { try commit() }
        }
        try commit()
        progress(.rewriting(packs: count, of: count))
    }

    private var isPending: Bool { !dropped.isEmpty || !rewritten.isEmpty }
    private var catalogueSize: Int64 { Files.size(store.packs.folder.cataloguePath) ?? 0 }

    // MARK: - Writing

    /// Writes a group's pack if there is room for it, and for the catalogue that will list it.
    private func fits(_ group: PackPlan.PackGroup) throws -> Bool {
        if let room = try? FreeSpace(store.path), room.bytes < group.size + catalogueSize + PackCleaner.margin {
            return false
        }
        return try rewrite(group.packs)
    }

    /// Makes one pack of some, without what is dead.
    ///
    /// - Returns: false, and nothing is changed, if there is no room.
    private func rewrite(_ packs: [PackPlan.Pack]) throws -> Bool {
        var packs = packs
        var damaged: [PackPlan.Pack] = []
        do {
            while !packs.isEmpty {
                let writer = try keeper.newCopy()
                do {
                    if let place = try packs.firstIndex(where: { try !copy($0, to: writer) }) {
                        try writer.discard()
                        damaged.append(packs.remove(at: place))
                        continue
                    }
                    if let pack = try writer.finish(in: store.packs.folder) { new.append(pack) }
                    break
                } catch {
                    try? writer.discard()
                    throw error
                }
            }
        } catch let error as IcecoreError where error.code == .noSpace {
            return false
        }
        rewritten += packs
        outcome.damaged += damaged.count
        left += damaged.map(\.number)
        return true
    }

    /// Copies what lives in a pack. What lies at another place has another header, so that records are made anew.
    ///
    /// - Returns: whether all of the pack is sound: a repair needs one that is not as it is.
    private func copy(_ pack: PackPlan.Pack, to writer: PackWriter) throws -> Bool {
        var isSound = true
        do {
            let file = try PackFile(path: store.packs.folder.path(of: pack.name))
            try file.verify(
                { record in
                    guard isSound, try !contents.isDoomed(record.name.file) else { return }
                    let place = try file.withContent(at: record.place, record.name) {
                        try writer.append(record.name, $0)
                    }
                    if place == nil { isSound = false }
                }, damaged: { _ in isSound = false })
        } catch let error as IcecoreError where error.code == .damaged || error.errno == EIO {
            return false
        }
        return isSound
    }

    // MARK: - The catalogue

    /// Has the catalogue list what was written, and removes what it no longer lists.
    private func commit() throws {
        guard isPending else { return }
        let removed = dropped + rewritten
        do {
            try keeper.commit(adding: new.map(\.name), removing: Set(removed.map(\.name)))
        } catch let error as IcecoreError where error.code == .noSpace {
            _ = try store.packs.refresh()
            let listed = Set((try store.packs.current()?.packs ?? [:]).values)
            guard removed.contains(where: { listed.contains($0.name) }) else { throw error }
            return try takeBack()
        }
        outcome.dropped += dropped.count
        outcome.rewritten += rewritten.count
        outcome.bytes += removed.reduce(0) { $0 + $1.size } - new.reduce(0) { $0 + $1.size }
        (dropped, rewritten, new) = ([], [], [])
    }

    /// There is no room for another catalogue: gives up what was written, and tries without it.
    private func takeBack() throws {
        for pack in new { try Files.remove(store.packs.folder.path(of: pack.name)) }
        let isAll = new.isEmpty
        let given = isAll ? dropped + rewritten : rewritten
        outcome.withoutRoom += given.count
        left += given.map(\.number)
        (rewritten, new) = ([], [])
        if isAll { dropped = [] }
        try commit()
    }
}
