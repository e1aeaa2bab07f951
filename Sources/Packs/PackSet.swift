import Basics
import Glibc
import Model

/// The packs of a store, as its catalogue lists them. Any number of threads may use it.
///
/// A pack counts once the catalogue lists it: whoever adds or removes packs replaces the catalogue, which ``refresh()``
/// notices. What is damaged or has vanished is not found; `verify` says which it is.
public final class PackSet: @unchecked Sendable {
    // Everything but the folder is guarded by the lock.
    public let folder: PackFolder
    private let lock = Lock()
    private var catalogue: PackCatalogue?
    private var stamp: FileStamp?
    private var isLoaded = false
    private var open: [PackName: (pack: PackFile, used: UInt64)] = [:]
    private var uses: UInt64 = 0
    private let mostOpen: Int

    /// - Parameter path: `…/packs`, which need not exist.
    public convenience init(path: String) {
        self.init(PackFolder(path: path))
    }

    public init(_ folder: PackFolder) {
        self.folder = folder
        mostOpen = max(4, min(512, limitOfOpenFiles() / 8))
    }

    /// The catalogue as it was when it was last looked at; nil if there is none.
    public func current() throws -> PackCatalogue? {
        try lock.withLock {
            if !isLoaded { try load() }
            return catalogue
        }
    }

    /// Looks whether the catalogue has been replaced.
    ///
    /// - Returns: whether it was: what was not found before may be there now.
    public func refresh() throws -> Bool {
        try lock.withLock {
            let now = try stampNow()
            if isLoaded, now == stamp { return false }
            let hadNone = !isLoaded && now == nil
            try load()
            return !hadNone
        }
    }

    private func stampNow() throws -> FileStamp? {
        do throws(IcecoreError) {
            return try FileStamp(folder.cataloguePath)
        } catch {
            guard error.errno == ENOENT || error.errno == ENOTDIR else { throw error }
            return nil
        }
    }

    private func load() throws {
        // The stamp first: a catalogue that comes in between is noticed the next time.
        stamp = try stampNow()
        do {
            catalogue = stamp == nil ? nil : try PackCatalogue(path: folder.cataloguePath)
        } catch let error as IcecoreError where error.errno == ENOENT {
            catalogue = nil
        } catch let error as IcecoreError where error.code == .damaged {
            isLoaded = false
            throw PackSet.withAdvice(error)
        }
        isLoaded = true
        let listed = Set((catalogue?.packs ?? [:]).values)
        open = open.filter { listed.contains($0.key) }
    }

    /// Finds a content.
    ///
    /// - Parameter near: what was found last: in the order of keys the next one often lies behind it, and is found without the
    ///   catalogue.
    public func find(_ name: BlobName, near: PackedBlob? = nil) throws -> PackedBlob? {
        if let near, let record = near.next(name) { return PackedBlob(pack: near.pack, record: record) }
        guard let catalogue = try current(), name.size <= Int64(UInt32.max) else { return nil }
        for entry in try entries(of: name, catalogue) {
            guard let packName = catalogue.packs[entry.pack], let pack = try pack(packName) else { continue }
            if let record = try pack.soundRecord(at: entry.place, name) {
                return PackedBlob(pack: pack, record: record)
            }
            // In a cache, others may have removed the file and begun a new one.
            guard pack.isUnlinked else { continue }
            forget(packName)
            if let pack = try self.pack(packName), let record = try pack.soundRecord(at: entry.place, name) {
                return PackedBlob(pack: pack, record: record)
            }
        }
        return nil
    }

    private func forget(_ name: PackName) {
        lock.withLock { open[name] = nil }
    }

    private func entries(of name: BlobName, _ catalogue: PackCatalogue) throws -> [PackEntry] {
        do {
            return try catalogue.find(name)
        } catch let error as IcecoreError where error.code == .damaged {
            throw PackSet.withAdvice(error)
        }
    }

    static func withAdvice(_ error: IcecoreError) -> IcecoreError {
        IcecoreError(.damaged, "\(error): 'icecore verify --repair' makes it anew from the packs")
    }

    /// Where a content is according to the catalogue: what is there need not be a sound record, nor be there at all.
    public func expected(_ name: BlobName) throws -> [(pack: PackName, record: PackRecord)] {
        guard let catalogue = try current(), name.size <= Int64(UInt32.max) else { return [] }
        return try entries(of: name, catalogue).compactMap { entry in
            catalogue.packs[entry.pack].map { ($0, PackRecord(name: name, place: entry.place)) }
        }
    }

    /// An open pack; nil if it has vanished, is none, or the disk cannot read it.
    public func pack(_ name: PackName) throws -> PackFile? {
        let known = lock.withLock { () -> PackFile? in
            uses += 1
            open[name]?.used = uses
            return open[name]?.pack
        }
        if let known { return known }
        let pack: PackFile
        do {
            pack = try PackFile(forRecordsOf: folder.path(of: name))
        } catch let error as IcecoreError
            where error.code == .damaged || error.code == .notFound || error.errno == ENOENT || error.errno == EIO
        {
            return nil
        }
        lock.withLock {
            if open.count >= mostOpen, let oldest = open.min(by: { $0.value.used < $1.value.used })?.key {
                open[oldest] = nil
            }
            open[name] = (pack, uses)
        }
        return pack
    }
}

/// A content that lies in a pack, which stays open for as long as this exists.
public struct PackedBlob: Sendable {
    public let pack: PackFile
    public let record: PackRecord

    public init(pack: PackFile, record: PackRecord) {
        self.pack = pack
        self.record = record
    }

    public var size: Int64 { record.name.size }

    /// Fills the buffer with the content's bytes from `offset`.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(IcecoreError) {
        try pack.read(record, into: buffer, at: offset)
    }

    /// Whether its record lies right behind another one's.
    public func isBehind(_ other: PackedBlob) -> Bool {
        other.pack === pack && other.record.end == Int64(record.place)
    }

    /// The record behind this one, if it has the content of that name.
    fileprivate func next(_ name: BlobName) -> PackRecord? {
        guard let place = UInt32(exactly: record.end) else { return nil }
        return try? pack.soundRecord(at: place, name)
    }
}
