@testable import Inventory

/// ORC files that no writer would write.
struct HostileORC {
    /// A field of a message: a number, or bytes.
    static func field(_ number: UInt64, _ value: UInt64) -> [UInt8] { varint(number << 3) + varint(value) }
    static func field(_ number: UInt64, _ bytes: [UInt8]) -> [UInt8] {
        varint(number << 3 | 2) + varint(UInt64(bytes.count)) + bytes
    }

    static func varint(_ value: UInt64) -> [UInt8] {
        value < 0x80 ? [UInt8(value)] : [UInt8(value & 0x7f) | 0x80] + varint(value >> 7)
    }

    /// The types of a file of one column `key`, a string.
    static let keys = field(4, field(1, 12) + field(2, 1) + field(3, Array("key".utf8))) + field(4, field(1, 7))

    var compression: UInt64 = 0
    var blockSize: UInt64 = 256 << 10
    var types = HostileORC.keys
    var rowCount: UInt64 = 1
    /// The streams of the only stripe: what they are, and their bytes.
    var streams: [(kind: UInt64, bytes: [UInt8])] = []
    /// The lengths that the footer gives for them, if not those that they have.
    var claimed: [UInt64]?
    /// The encoding of the column: its kind, and the size of its dictionary.
    var encoding: (kind: UInt64, dictionarySize: UInt64) = (2, 0)

    /// A block that says that it is not compressed.
    static func block(_ bytes: [UInt8]) -> [UInt8] {
        let header = bytes.count << 1 | 1
        return [UInt8(header & 0xff), UInt8(header >> 8 & 0xff), UInt8(header >> 16 & 0xff)] + bytes
    }

    private func framed(_ bytes: [UInt8]) -> [UInt8] { compression == 0 ? bytes : HostileORC.block(bytes) }

    var bytes: [UInt8] {
        let data = streams.flatMap(\.bytes)
        var stripe: [UInt8] = []
        for (index, stream) in streams.enumerated() {
            let length = claimed?[index] ?? UInt64(stream.bytes.count)
            stripe += HostileORC.field(
                1,
                HostileORC.field(1, stream.kind) + HostileORC.field(2, 1) + HostileORC.field(3, length))
        }
        stripe += HostileORC.field(2, HostileORC.field(1, 0))
        stripe += HostileORC.field(
            2, HostileORC.field(1, encoding.kind) + HostileORC.field(2, encoding.dictionarySize))
        stripe = framed(stripe)
        let place =
            HostileORC.field(1, 3) + HostileORC.field(3, UInt64(data.count))
            + HostileORC.field(4, UInt64(stripe.count)) + HostileORC.field(5, rowCount)
        let footer = framed(HostileORC.field(3, place) + types + HostileORC.field(6, rowCount))
        let postscript =
            HostileORC.field(1, UInt64(footer.count)) + HostileORC.field(2, compression)
            + HostileORC.field(3, blockSize) + HostileORC.field(8000, Array("ORC".utf8))
        return Array("ORC".utf8) + data + stripe + footer + postscript + [UInt8(postscript.count)]
    }
}
