import Basics
import Model
import Store

/// The inventories that a sync is to take.
struct InventorySelection {
    /// In the order in which they are tried.
    private(set) var names: [String]
    /// One is enough: the first that is complete. Else all of them are synced.
    let takesOne: Bool

    /// - Parameters:
    ///   - folders: all inventories, oldest first, complete or not.
    ///   - url: where they are, for messages.
    /// - Throws: `notFound` if nothing is there to be taken, `usage` for a date that is none.
    init(_ selection: SyncOptions.Selection, folders: [String], at url: String, _ store: Store) throws {
        guard !folders.isEmpty else {
            throw IcecoreError(
                .notFound,
                "there is no inventory at \(url): no folder there has a name like 2024-11-06T01-00Z and a "
                    + "manifest.json")
        }
        switch selection {
        case .newest:
            names = folders.reversed()
            takesOne = true
        case .one(let text):
            names = try folders.filter(Self.range(text)).reversed()
            takesOne = true
            if names.isEmpty { throw Self.none(text, folders) }
        case .range(let from, let to):
            let (first, last) = (try Self.range(from), try Self.range(to))
            names = folders.filter { name in
                (first(name) || name > from) && (last(name) || name < to)
            }
            takesOne = false
            if names.isEmpty { throw Self.none("\(from) to \(to)", folders) }
        }
        // A sync of the same range does not bring back what a prune has dropped; nor is it what to fall back to.
        let pruned = Set(try store.reader().timeline.points.filter(\.isPruned).map(\.name))
        let first = takesOne ? names.first : nil
        names.removeAll { $0 != first && pruned.contains($0) }
    }

    private static func none(_ what: String, _ names: [String]) -> IcecoreError {
        IcecoreError(
            .notFound,
            "there is no inventory for \(what): the first is \(names.first ?? ""), the last "
                + "\(names.last ?? "") ('icecore sync --list-dates' lists them all)")
    }

    /// Which names match a name or a date from the command line.
    private static func range(_ text: String) throws -> (String) -> Bool {
        switch try? When(text) {
        case .inventory: return { $0 == text }
        case .date: return { $0.hasPrefix(text + "T") }
        case .latest, .instant, .age, nil:
            throw IcecoreError(
                .usage,
                "'\(text.prefix(100))' is neither an inventory's name (2024-11-06T01-00Z) nor a date (2024-11-06)")
        }
    }

    /// Syncs them, passing over what cannot be used.
    ///
    /// - Parameters:
    ///   - sync: syncs one; throws ``UnusableInventory`` for one that cannot be used.
    ///   - warn: told what is passed over.
    /// - Returns: how many of a range were passed over.
    func forEach(_ sync: (String) throws -> Void, warn: (String) -> Void) throws -> Int {
        var unusable: [UnusableInventory] = []
        for (place, name) in names.enumerated() {
            do {
                try sync(name)
                if takesOne { return 0 }
            } catch let inventory as UnusableInventory {
                guard inventory.isIncomplete || !takesOne else { throw inventory.error }
                unusable.append(inventory)
                // The last one becomes the error.
                if takesOne, place == names.count - 1 { break }
                warn("\(name) is passed over: \(inventory.error.message)")
            }
        }
        guard let last = unusable.last, unusable.count == names.count else { return unusable.count }
        if unusable.count == 1 { throw last.error }
        throw IcecoreError(
            last.error.code, "none of \(names.count) inventories can be used, the last because: \(last.error.message)")
    }
}
