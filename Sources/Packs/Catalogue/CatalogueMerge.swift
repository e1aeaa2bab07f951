import Basics
import Glibc
import HeapModule

/// Makes one catalogue of many packs' directories, and of earlier catalogues: everything is read once, in order, and written
/// once. Memory for some blocks of each source.
public struct CatalogueMerge {
    /// How much memory all sources may take for reading, at least a block each.
    private static let memory = 64 << 20

    private enum MergeSource {
        case pack(PackFile, number: UInt32)
        /// With the number that each of its packs gets; the entries of others are left out.
        case catalogue(PackCatalogue, numbers: [UInt32: UInt32])
    }

    private var sources: [MergeSource] = []
    private var packs: [UInt32: PackName] = [:]

    /// Begins without any packs.
    public init() {}

    /// Adds a pack.
    ///
    /// - Parameter number: which no other pack has.
    /// - Throws: `invalidData` if another one has it.
    public mutating func add(_ pack: PackFile, number: UInt32, _ name: PackName) throws {
        guard packs.updateValue(name, forKey: number) == nil else { throw CatalogueMerge.twice(number) }
        sources.append(.pack(pack, number: number))
    }

    /// Adds what an earlier catalogue has of some packs.
    ///
    /// - Parameter isKept: by the number of a pack; its entries are left out otherwise.
    /// - Throws: `invalidData` if another pack has one of the numbers.
    public mutating func add(_ catalogue: PackCatalogue, keeping isKept: (UInt32) throws -> Bool) throws {
        let kept = try catalogue.packs.filter { try isKept($0.key) }
        for (number, name) in kept {
            guard packs.updateValue(name, forKey: number) == nil else { throw CatalogueMerge.twice(number) }
        }
        sources.append(.catalogue(catalogue, numbers: Dictionary(uniqueKeysWithValues: kept.keys.map { ($0, $0) })))
    }

    /// Adds what another catalogue has of some packs, under numbers that follow those that are taken.
    ///
    /// - Parameters:
    ///   - taken: numbers up to this one are taken elsewhere.
    ///   - isNew: of a pack; its entries are left out otherwise.
    /// - Returns: the highest number that is taken now.
    /// - Throws: `damaged` if there are no numbers left.
    @discardableResult
    public mutating func append(
        _ catalogue: PackCatalogue, after taken: UInt32 = 0, renumbering isNew: (PackName) -> Bool
    ) throws -> UInt32 {
        var numbers: [UInt32: UInt32] = [:]
        var last = max(taken, packs.keys.max() ?? 0)
        // In their order, so that the entries stay in theirs.
        for (number, name) in catalogue.packs.sorted(by: { $0.key < $1.key }) where isNew(name) {
            guard last < .max else { throw IcecoreError(.damaged, "no number is left for another pack") }
            last += 1
            numbers[number] = last
            packs[last] = name
        }
        if !numbers.isEmpty { sources.append(.catalogue(catalogue, numbers: numbers)) }
        return last
    }

    private static func twice(_ number: UInt32) -> IcecoreError {
        IcecoreError(.invalidData, "two packs cannot have the number \(number)")
    }

    /// Writes the catalogue, durably, in the place of one that is there.
    ///
    /// - Returns: how many contents it has.
    @discardableResult
    public func write(to path: String) throws -> Int64 {
        let temporary = "\(path).\(getpid()).new"
        do {
            let file = try File(temporary, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW)
            let output = HashedOutput(file)
            let count = try write(to: output)
            try Files.rename(temporary, path)
            try Files.synchronizeDirectory(Files.directory(of: path))
            return count
        } catch {
            unlink(temporary)
            throw error
        }
    }

    private func write(to output: HashedOutput) throws -> Int64 {
        output.beginSection()
        try output.append(CatalogueFrame.header)
        var heap = Heap<MergeHead>()
        let buffer = CatalogueMerge.memory / max(1, sources.count)
        for index in sources.indices {
            let cursor = cursor(index, min(buffer, 1 << 20))
            if let entry = try next(index, cursor) {
                heap.insert(MergeHead(entry: entry, source: index, cursor: cursor))
            }
        }
        var writer = BlockWriter(.catalogue, marker: CatalogueFrame.marker)
        while let head = heap.min {
            try writer.append(head.entry, to: output.append)
            if let entry = try next(head.source, head.cursor) {
                heap.replaceMin(with: MergeHead(entry: entry, source: head.source, cursor: head.cursor))
            } else {
                heap.removeMin()
            }
        }
        try writer.finish(to: output.append)
        var list: [UInt8] = []
        for (number, name) in packs.sorted(by: { $0.key < $1.key }) {
            list.append(number: number)
            list += name.digest
        }
        try output.append(list)
        let trailer = CatalogueTrailer(
            count: writer.count, packCount: UInt32(packs.count), packCheck: PackFrame.crc32c(list),
            digest: output.endSection())
        try output.append(trailer.bytes)
        try output.synchronize()
        return writer.count
    }

    private func cursor(_ index: Int, _ buffer: Int) -> BlockCursor {
        switch sources[index] {
        case .pack(let pack, _): BlockCursor(pack.directory, buffer: buffer)
        case .catalogue(let catalogue, _): catalogue.entries(buffer: buffer)
        }
    }

    /// The next entry of a source that is wanted.
    private func next(_ index: Int, _ cursor: BlockCursor) throws -> PackEntry? {
        switch sources[index] {
        case .pack(_, let number):
            var entry = try cursor.read()
            entry?.pack = number
            return entry
        case .catalogue(_, let numbers):
            while var entry = try cursor.read() {
                if let number = numbers[entry.pack] {
                    entry.pack = number
                    return entry
                }
            }
            return nil
        }
    }
}

/// The first entry of a source that is not written yet.
private struct MergeHead: Comparable {
    let entry: PackEntry
    let source: Int
    let cursor: BlockCursor

    static func < (left: MergeHead, right: MergeHead) -> Bool { left.entry < right.entry }
    static func == (left: MergeHead, right: MergeHead) -> Bool { left.entry == right.entry }
}
