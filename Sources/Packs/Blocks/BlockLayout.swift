import Basics

/// An entry of a directory, or of a catalogue.
public struct PackEntry: Hashable, Comparable, Sendable {
    public let key: PackKey
    /// The number of the pack; 0 in the directory of one.
    public var pack: UInt32 = 0
    /// Where the record begins.
    public let place: UInt32

    /// By key, then by pack, then by place.
    @inline(__always)
    public static func < (left: PackEntry, right: PackEntry) -> Bool {
        if left.key != right.key { return left.key < right.key }
        return left.pack != right.pack ? left.pack < right.pack : left.place < right.place
    }
}

/// How sorted entries are laid out: blocks of a fixed length, each with a CRC32C of its own, so that one of them can be read
/// and believed without the others. Only the last one may have fewer entries.
struct BlockLayout {
    let entryLength: Int
    let hasPack: Bool

    /// Key and place.
    static let directory = BlockLayout(entryLength: 20, hasPack: false)
    /// Key, pack and place.
    static let catalogue = BlockLayout(entryLength: 24, hasPack: true)

    static let checkLength = 4
    private static let room = 4080

    /// How many entries a block has.
    var entries: Int { BlockLayout.room / entryLength }
    var blockLength: Int { entries * entryLength + BlockLayout.checkLength }

    func blocks(_ count: Int64) -> Int64 { count == 0 ? 0 : (count - 1) / Int64(entries) + 1 }

    /// The bytes of so many entries; `.max` for more than any file has.
    func length(_ count: Int64) -> Int64 {
        guard (0...Int64.max / 64).contains(count) else { return .max }
        return count * Int64(entryLength) + blocks(count) * Int64(BlockLayout.checkLength)
    }

    @inline(__always)
    func entry(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> PackEntry {
        let place = index * entryLength
        return PackEntry(
            key: PackKey(bytes, at: place), pack: hasPack ? bytes.number(at: place + 16, UInt32.self) : 0,
            place: bytes.number(at: place + entryLength - 4, UInt32.self))
    }

    /// The check of a block: of the file's marker, the block's number, and its entries.
    static func check(_ entries: UnsafeRawBufferPointer, _ block: Int64, marker: UInt32) -> UInt32 {
        var check = CRC(.crc32c)
        withUnsafeBytes(of: marker.bigEndian) { check.update($0) }
        withUnsafeBytes(of: UInt32(truncatingIfNeeded: block).bigEndian) { check.update($0) }
        check.update(entries)
        return UInt32(truncatingIfNeeded: check.value)
    }
}
