import Basics
import Model

/// What many packs have, in one sorted file: for each content its pack's number and its place there.
///
/// It says nothing that the directories of the packs do not say: it can be made again at any time, by a ``CatalogueMerge``.
public final class PackCatalogue: Sendable {
    let source: PackSource
    let trailer: CatalogueTrailer
    let blocks: SortedBlocks
    /// The packs, by their numbers.
    public let packs: [UInt32: PackName]

    /// Opens a catalogue and checks its header, its trailer and its list of packs.
    ///
    /// - Throws: `damaged` if it is none; `unsupported` for a format that only a newer Icecore knows.
    public convenience init(path: String) throws {
        try self.init(PackSource(path: path, "catalogue of packs"))
    }

    /// Takes over an open file.
    public convenience init(_ file: consuming File) throws {
        try self.init(PackSource(file, "catalogue of packs"))
    }

    init(_ source: PackSource) throws {
        guard source.size >= Int64(CatalogueFrame.headerLength + CatalogueFrame.trailerLength) else {
            throw IcecoreError(.damaged, "'\(source.path)' is too short for a catalogue of packs")
        }
        let header = try source.bytes(0..<Int64(CatalogueFrame.headerLength))
        if header != CatalogueFrame.header {
            try header.withUnsafeBytes { bytes in
                let version = bytes.number(at: 8, UInt32.self)
                guard bytes.hasPrefix(CatalogueFrame.magic), version != CatalogueFrame.version,
                    PackFrame.crc32c(bytes.part(0..<12)) == bytes.number(at: 12, UInt32.self)
                else { throw source.damage("a damaged header") }
                throw IcecoreError(
                    .unsupported, "'\(source.path)' has format \(version), which only a newer Icecore knows")
            }
        }
        let end = try source.bytes(source.size - Int64(CatalogueFrame.trailerLength)..<source.size)
        guard let trailer = end.withUnsafeBytes({ CatalogueTrailer($0, fileSize: source.size) }) else {
            throw source.damage("a damaged trailer, or none")
        }
        self.source = source
        self.trailer = trailer
        let start = Int64(CatalogueFrame.headerLength)
        blocks = SortedBlocks(
            source: source, layout: .catalogue, marker: CatalogueFrame.marker, start: start, count: trailer.count,
            places: Int64(PackFrame.headerLength)..<Int64(UInt32.max) + 1)
        let length = Int64(trailer.packCount) * Int64(CatalogueFrame.packLength)
        let list = start + BlockLayout.catalogue.length(trailer.count)
        packs = try PackCatalogue.packs(source, try source.bytes(list..<list + length), trailer)
    }

    private static func packs(
        _ source: PackSource, _ list: [UInt8], _ trailer: CatalogueTrailer
    ) throws -> [UInt32: PackName] {
        guard PackFrame.crc32c(list) == trailer.packCheck else { throw source.damage("a damaged list of packs") }
        var packs: [UInt32: PackName] = [:]
        var last: UInt32?
        for start in stride(from: 0, to: list.count, by: CatalogueFrame.packLength) {
            let number = list.withUnsafeBytes { $0.number(at: start, UInt32.self) }
            guard number > last ?? 0 || last == nil else { throw source.damage("a list of packs that is not in order") }
            packs[number] = PackName(digest: Array(list[start + 4..<start + CatalogueFrame.packLength]))
            last = number
        }
        return packs
    }

    /// How many contents it has; one that is in two packs counts twice.
    public var count: Int64 { trailer.count }

    /// Where contents of this name may be: nowhere, in one pack, or in several, by their numbers.
    ///
    /// That the name is the one of the record there, and not one that shares its first 16 bytes, is known once that is read.
    public func find(_ name: BlobName) throws -> [PackEntry] {
        try find(name, nil)
    }

    func find(_ name: BlobName, _ memory: BlockMemory?) throws -> [PackEntry] {
        guard let key = PackKey(name) else { return [] }
        let found = try blocks.find(key, memory)
        for entry in found where packs[entry.pack] == nil { throw source.damage("a pack that it does not list") }
        return found
    }

    /// All entries: by their keys, then by their packs' numbers.
    ///
    /// - Parameter buffer: about how many bytes of memory to read them with.
    public func entries(buffer: Int = 1 << 20) -> BlockCursor {
        BlockCursor(blocks, buffer: buffer)
    }

    /// Whether the file is, byte for byte, what was written.
    public func isWhole() throws -> Bool {
        try source.digest(0..<source.size - Int64(CatalogueFrame.trailerLength)) == trailer.digest
    }
}
