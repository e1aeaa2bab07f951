import Basics
import Blobs
import Glibc
import Model
import Packs

/// Changes which packs a store has. Only for the holder of the store's lock.
///
/// New packs get their names, then a record says which old ones are to go, then the catalogue is replaced, which is what
/// counts; then the old ones are removed. After a kill, ``settle()`` finishes that or undoes it.
public final class PackKeeper {
    private let store: Store
    public let folder: PackFolder
    private var catalogue: PackCatalogue?
    /// How many sources one merge has open.
    private static let width = 96

    /// What names of unfinished packs in `tmp/` begin with.
    public static let unfinishedPrefix = "pack-"

    public init(_ store: Store) {
        self.store = store
        folder = store.packs.folder
    }

    /// Whether the store has packs, or something that is to become one.
    public static func isNeeded(_ store: Store) throws -> Bool {
        if Files.exists(store.packsPath) { return true }
        return try Files.names(in: store.temporaryPath).contains { $0.hasPrefix(unfinishedPrefix) }
    }

    /// Makes it a store with packs, durably, unless it is one: from then on older programs refuse it.
    public static func prepare(_ store: inout Store) throws {
        if store.configuration.format < StoreConfiguration.packFormat {
            var configuration = try StoreConfiguration(path: store.configurationPath)
            configuration.format = StoreConfiguration.packFormat
            try configuration.write(to: store.configurationPath)
            try store.reload()
        }
        try Files.createDirectory(store.packsPath)
        try Files.synchronizeDirectory(store.path)
    }

    /// A new pack in `tmp/`.
    public func newPack() throws -> PackWriter {
        let name = "\(PackKeeper.unfinishedPrefix)\(getpid())-\(UInt64.random(in: 0 ... .max))"
        return try PackWriter(path: "\(store.temporaryPath)/\(name)")
    }

    /// A new pack in `tmp/` of contents that are in other packs: of one that is killed nothing is worth keeping.
    public func newCopy() throws -> PackWriter {
        try PackWriter(path: "\(store.temporaryPath)/copy-\(getpid())-\(UInt64.random(in: 0 ... .max))")
    }

    // MARK: - After a kill

    /// Brings to an end what killed processes have begun: unfinished packs are finished, packs that the catalogue does not
    /// list are added to it, and those that were to go, go. A catalogue that is damaged or missing is made anew.
    ///
    /// - Returns: the contents that unfinished packs had, and their bytes.
    @discardableResult
    public func settle() throws -> (contents: Int, bytes: Int64) {
        guard try PackKeeper.isNeeded(store) else { return (0, 0) }
        if Files.exists(folder.path) {
            // What was about to replace a file.
            for name in try Files.names(in: folder.path) where name.hasSuffix(".new") {
                try Files.remove("\(folder.path)/\(name)")
            }
        }
        var recovered = (contents: 0, bytes: Int64(0))
        for name in try Files.names(in: store.temporaryPath) where name.hasPrefix(PackKeeper.unfinishedPrefix) {
            let path = "\(store.temporaryPath)/\(name)"
            do {
                let writer = try PackWriter(resuming: path)
                guard let pack = try writer.finish(in: folder) else { continue }
                recovered.contents += pack.count
                recovered.bytes += pack.contentBytes
            } catch let error as IcecoreError where error.code == .damaged {
                // Killed before its header was on the disk.
                try Files.remove(path)
            }
        }
        let isReadable = try open()
        let listed = Set((catalogue?.packs ?? [:]).values)
        // Without a catalogue, nothing tells whether it came to that.
        try remove(isReadable ? leaving().filter { !listed.contains($0) } : [])
        var unlisted: [PackName] = []
        try folder.forEach { name in
            guard !listed.contains(name), let pack = try? PackFile(path: folder.path(of: name)) else { return }
            if try isReadable && isKnown(pack) {
                // A copy that was about to take the place of others.
                try Files.remove(folder.path(of: name))
            } else {
                unlisted.append(name)
            }
        }
        if !unlisted.isEmpty || !isReadable { try commit(adding: unlisted) }
        return recovered
    }

    /// Whether everything that a pack has is, sound, in another one that the catalogue lists.
    private func isKnown(_ pack: PackFile) throws -> Bool {
        var isKnown = true
        try pack.forEachRecord { record in
            if isKnown { isKnown = try hasSoundCopy(of: record.name) }
        }
        return isKnown
    }

    private func hasSoundCopy(of name: BlobName) throws -> Bool {
        for entry in try catalogue?.find(name) ?? [] {
            guard let packName = catalogue?.packs[entry.pack], let pack = try store.packs.pack(packName) else {
                continue
            }
            if (try? pack.withContent(at: entry.place, name, { _ in true })) == true { return true }
        }
        return false
    }

    /// Opens the catalogue; false if there is one that cannot be used.
    private func open() throws -> Bool {
        catalogue = nil
        guard Files.exists(folder.cataloguePath) else { return true }
        do {
            catalogue = try PackCatalogue(path: folder.cataloguePath)
            return true
        } catch let error as IcecoreError where error.code == .damaged {
            return false
        }
    }

    // MARK: - The packs that go

    private var leavingPath: String { "\(folder.path)/leaving" }

    private func leaving() throws -> [PackName] {
        guard Files.exists(leavingPath) else { return [] }
        let text = String(decoding: try Files.read(leavingPath, limit: 64 << 20), as: UTF8.self)
        return text.split(separator: "\n").compactMap { PackName(String($0)) }
    }

    /// Removes packs that the catalogue does not list, durably: one that came back would be taken for a new one.
    private func remove(_ names: some Collection<PackName>) throws {
        for name in names { try Files.remove(folder.path(of: name)) }
        for directory in Set(names.map { Files.directory(of: folder.path(of: $0)) }) where Files.exists(directory) {
            try Files.synchronizeDirectory(directory)
        }
        try Files.remove(leavingPath)
    }

    // MARK: - The catalogue

    /// Adds packs that have their names, and removes others: what the catalogue says afterwards is what counts.
    ///
    /// - Parameter removed: they are removed from the disk, too.
    public func commit(adding added: [PackName], removing removed: Set<PackName> = []) throws {
        do {
            if try open() { return try commit(added, removed) }
        } catch let error as IcecoreError where error.code == .damaged {}
        // What the catalogue says, the packs say as well.
        catalogue = nil
        var all: [PackName] = []
        try folder.forEach { name in
            guard !removed.contains(name) else { return }
            let isSound = (try? PackFile(path: folder.path(of: name))) != nil
            if isSound || added.contains(name) { all.append(name) }
        }
        try commit(all, removed)
    }

    private func commit(_ added: [PackName], _ removed: Set<PackName>) throws {
        if !removed.isEmpty {
            let text = removed.map { "\($0)\n" }.sorted().joined()
            try Files.replace(leavingPath, with: Array(text.utf8))
        }
        var merge = CatalogueMerge()
        let listed = catalogue?.packs ?? [:]
        var number = listed.keys.max() ?? 0
        if let catalogue {
            try merge.add(catalogue) { number in listed[number].map { !removed.contains($0) } ?? false }
        }
        // Merged in groups: each source is an open file.
        var groups: [String] = []
        defer { for group in groups { unlink(group) } }
        let new = added.filter { !listed.values.contains($0) }
        for start in stride(from: 0, to: new.count, by: PackKeeper.width) {
            let group = new[start..<min(start + PackKeeper.width, new.count)]
            var part = CatalogueMerge()
            for name in group {
                number += 1
                let pack = try PackFile(path: folder.path(of: name))
                if new.count <= PackKeeper.width {
                    try merge.add(pack, number: number, name)
                } else {
                    try part.add(pack, number: number, name)
                }
            }
            if new.count <= PackKeeper.width { break }
            let path = "\(store.temporaryPath)/catalogue-\(getpid())-\(start)"
            groups.append(path)
            try part.write(to: path)
            try merge.add(PackCatalogue(path: path)) { _ in true }
        }
        try merge.write(to: folder.cataloguePath)
        try remove(removed)
        _ = try store.packs.refresh()
    }
}
