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
        // From the beginning, so that one that is not there has been lost.
        let folder = store.packs.folder
        var isEmpty = !Files.exists(folder.cataloguePath)
        if isEmpty { try folder.forEach { _ in isEmpty = false } }
        if isEmpty { try CatalogueMerge().write(to: folder.cataloguePath) }
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
    /// - Parameter isThorough: whether to read all of the catalogue to find out whether it is damaged. Otherwise, and when the
    ///   first look shows nothing, the next commit notices.
    public func settle(isThorough: Bool = false) throws {
        guard try PackKeeper.isNeeded(store) else { return }
        try folder.removeLeftovers()
        for name in try Files.names(in: store.temporaryPath) where name.hasPrefix(PackKeeper.unfinishedPrefix) {
            let path = "\(store.temporaryPath)/\(name)"
            do {
                let writer = try PackWriter(resuming: path)
                _ = try writer.finish(in: folder)
            } catch let error as IcecoreError where error.code == .damaged {
                // Killed before its header was on the disk.
                try Files.remove(path)
            }
        }
        let isReadable = try open(isThorough: isThorough)
        let listed = Set((catalogue?.packs ?? [:]).values)
        // Without a catalogue, nothing tells whether it came to that.
        try dispose(of: isReadable ? leaving().filter { !listed.contains($0.key) } : [:])
        var unlisted: [PackName] = []
        try folder.forEach { name in
            guard !listed.contains(name) else { return }
            do {
                let pack = try PackFile(path: folder.path(of: name))
                // What has a damaged directory as well is for `verify --repair`.
                _ = try pack.entrySum()
                if try isReadable && isKnown(pack) {
                    // A copy that was about to take the place of others.
                    try Files.remove(folder.path(of: name))
                } else {
                    unlisted.append(name)
                }
            } catch let error as IcecoreError {
                if [.interrupted, .noSpace].contains(error.code) || error.errno == EMFILE { throw error }
            }
        }
        if !unlisted.isEmpty || !isReadable { try commit(adding: unlisted) }
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
    private func open(isThorough: Bool = false) throws -> Bool {
        catalogue = nil
        guard Files.exists(folder.cataloguePath) else { return true }
        do {
            let found = try PackCatalogue(path: folder.cataloguePath)
            if try isThorough && !found.isWhole() { return false }
            catalogue = found
            return true
        } catch let error as IcecoreError where error.code == .damaged {
            return false
        }
    }

    // MARK: - The packs that go

    /// The packs that were about to go, and as what in `quarantine/`; nil: as nothing.
    private func leaving() throws -> [PackName: String?] {
        guard Files.exists(folder.leavingPath) else { return [:] }
        let text = String(decoding: try Files.read(folder.leavingPath, limit: 64 << 20), as: UTF8.self)
        var leaving: [PackName: String?] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            guard words.count <= 2, let name = words.first.flatMap({ PackName($0) }) else { continue }
            let file = words.count == 2 ? words[1] : nil
            // Written by whoever could write to the store: it leads nowhere else.
            if let file, !PackKeeper.isQuarantineName(file, of: name) { continue }
            leaving[name] = .some(file)
        }
        return leaving
    }

    /// What a pack is called in `quarantine/`.
    public static func quarantineName(of name: PackName, at time: Timestamp) -> String {
        "\(name)-\(time.milliseconds)"
    }

    private static func isQuarantineName(_ file: String, of name: PackName) -> Bool {
        file.hasPrefix("\(name)-") && file.utf8.dropFirst(65).allSatisfy { (48...57).contains($0) }
    }

    /// Removes packs that the catalogue does not list, or moves them away, durably: one that came back would be taken for a new
    /// one.
    ///
    /// - Parameter names: with what they are called in `quarantine/`; nil: they are removed.
    private func dispose(of names: [PackName: String?]) throws {
        for (name, file) in names {
            let path = folder.path(of: name)
            guard let file else {
                try Files.remove(path)
                continue
            }
            guard try Files.isThere(path) else { continue }
            try Files.createDirectory(store.quarantinePath)
            try Files.rename(path, "\(store.quarantinePath)/\(file)")
        }
        var directories = Set(names.keys.map { Files.directory(of: folder.path(of: $0)) })
        if names.values.contains(where: { $0 != nil }) { directories.insert(store.quarantinePath) }
        for directory in directories where Files.exists(directory) { try Files.synchronizeDirectory(directory) }
        try Files.remove(folder.leavingPath)
    }

    // MARK: - The catalogue

    /// Adds packs that have their names, and removes others: what the catalogue says afterwards is what counts.
    ///
    /// - Parameters:
    ///   - removed: they are removed from the disk, too.
    ///   - files: those of them that are moved instead, by their ``quarantineName(of:at:)``.
    ///   - isAnew: the catalogue is made of the packs alone, whatever the one before says they have.
    public func commit(
        adding added: [PackName], removing removed: Set<PackName> = [], keeping files: [PackName: String] = [:],
        anew isAnew: Bool = false
    ) throws {
        let isReadable = try open()
        if !removed.isEmpty {
            let text = removed.map { name in files[name].map { "\(name) \($0)\n" } ?? "\(name)\n" }.sorted().joined()
            try Files.replace(folder.leavingPath, with: Array(text.utf8))
        }
        do {
            guard isReadable else { throw IcecoreError(.damaged, "the catalogue of packs is damaged") }
            try write(adding: added, removing: removed, anew: isAnew)
        } catch let error as IcecoreError where error.code == .damaged {
            try writeAnew(adding: added, removing: removed)
        }
        try dispose(of: Dictionary(uniqueKeysWithValues: removed.map { ($0, files[$0]) }))
        _ = try store.packs.refresh()
    }

    /// Adds packs that are in the store's object store, by catalogues of them. What is listed already is left out.
    ///
    /// - Parameter catalogues: at most as many as may be open at a time.
    public func commit(catalogues: [PackCatalogue]) throws {
        guard try open() else { throw IcecoreError(.damaged, "the catalogue '\(folder.cataloguePath)' is damaged") }
        var merge = CatalogueMerge()
        if let catalogue { try merge.add(catalogue) { _ in true } }
        var known = Set((catalogue?.packs ?? [:]).values)
        let before = known.count
        for other in catalogues {
            try merge.append(other, renumbering: { !known.contains($0) })
            known.formUnion(other.packs.values)
        }
        guard known.count > before else { return }
        try merge.write(to: folder.cataloguePath)
        _ = try store.packs.refresh()
    }

    /// What the catalogue says, the packs say as well.
    private func writeAnew(adding added: [PackName], removing removed: Set<PackName>) throws {
        catalogue = nil
        var all: [PackName] = []
        try folder.forEach { name in
            guard !removed.contains(name) else { return }
            let isSound = (try? PackFile(path: folder.path(of: name)).entrySum()) != nil
            if isSound || added.contains(name) { all.append(name) }
        }
        try write(adding: all, removing: removed, anew: false)
    }

    private func write(adding added: [PackName], removing removed: Set<PackName>, anew isAnew: Bool) throws {
        var merge = CatalogueMerge()
        let listed = catalogue?.packs ?? [:]
        var number = listed.keys.max() ?? 0
        var new: [(number: UInt32, name: PackName)] = []
        if isAnew {
            for (number, name) in listed.sorted(by: { $0.key < $1.key }) where !removed.contains(name) {
                new.append((number, name))
            }
        } else if let catalogue {
            try merge.add(catalogue) { number in listed[number].map { !removed.contains($0) } ?? false }
        }
        // Merged in groups: each source is an open file.
        var groups: [String] = []
        defer { for group in groups { unlink(group) } }
        let known = Set(listed.values)
        for name in added where !known.contains(name) {
            number += 1
            new.append((number, name))
        }
        for start in stride(from: 0, to: new.count, by: PackKeeper.width) {
            let group = new[start..<min(start + PackKeeper.width, new.count)]
            var part = CatalogueMerge()
            for (number, name) in group {
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
    }
}
