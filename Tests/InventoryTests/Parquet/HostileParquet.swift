import CZlib

@testable import Inventory

/// Parquet files that no writer would write: one row group of one column, `key`.
struct HostileParquet {
    /// A field of a structure in Thrift's compact protocol: its number, the kind of its value, and that.
    struct ThriftField {
        let number: Int
        let kind: UInt8
        let bytes: [UInt8]

        static func number(_ number: Int, _ value: Int64) -> ThriftField {
            ThriftField(number: number, kind: 6, bytes: zigzag(value))
        }

        static func text(_ number: Int, _ value: [UInt8]) -> ThriftField {
            ThriftField(number: number, kind: 8, bytes: varint(UInt64(value.count)) + value)
        }

        static func record(_ number: Int, _ fields: [ThriftField]) -> ThriftField {
            ThriftField(number: number, kind: 12, bytes: HostileParquet.record(fields))
        }

        static func list(_ number: Int, _ records: [[UInt8]]) -> ThriftField {
            ThriftField(
                number: number, kind: 9, bytes: [0xfc] + varint(UInt64(records.count)) + Array(records.joined()))
        }
    }

    static func varint(_ value: UInt64) -> [UInt8] {
        value < 0x80 ? [UInt8(value)] : [UInt8(value & 0x7f) | 0x80] + varint(value >> 7)
    }

    static func zigzag(_ value: Int64) -> [UInt8] { varint(UInt64(bitPattern: value << 1 ^ value >> 63)) }

    static func record(_ fields: [ThriftField]) -> [UInt8] {
        var bytes: [UInt8] = []
        for field in fields { bytes += [field.kind] + zigzag(Int64(field.number)) + field.bytes }
        return bytes + [0]
    }

    /// A column of a schema.
    static func column(
        _ name: String, type: Int64 = 6, repetition: Int64 = 0, _ more: [ThriftField] = []
    ) -> [UInt8] {
        record([.number(1, type), .number(3, repetition), .text(4, Array(name.utf8))] + more)
    }

    /// A page of the first version: its kind, its values, and whatever else is to be in the header.
    static func page(
        _ values: Int64, _ bytes: [UInt8], encoding: Int64 = 0, kind: Int64 = 0, length: Int64? = nil,
        stored: Int64? = nil, levels: Int64 = 3, _ more: [ThriftField] = []
    ) -> [UInt8] {
        let header: [ThriftField] = [.number(1, values), .number(2, encoding), .number(3, levels), .number(4, 3)]
        let start: [ThriftField] = [
            .number(1, kind), .number(2, length ?? Int64(bytes.count)), .number(3, stored ?? Int64(bytes.count)),
        ]
        return record(start + more + [.record(kind == 2 ? 7 : 5, header)]) + bytes
    }

    /// Texts as PLAIN has them.
    static func texts(_ texts: String...) -> [UInt8] {
        texts.flatMap { [UInt8($0.utf8.count), 0, 0, 0] + Array($0.utf8) }
    }

    var schema = [HostileParquet.column("key")]
    var pages: [UInt8] = []
    var rowCount: Int64 = 1
    var valueCount: Int64?
    var codec: Int64 = 0
    var type: Int64 = 6
    /// What is in the metadata of the chunk, or beside it, as well.
    var more: [ThriftField] = []
    var beside: [ThriftField] = []
    var chunkLength: Int64?
    var dataStart: Int64 = 4

    var bytes: [UInt8] {
        let root = HostileParquet.record([.text(4, Array("schema".utf8)), .number(5, Int64(schema.count))])
        let metadata: [ThriftField] = [
            .number(1, type), .number(4, codec), .number(5, valueCount ?? rowCount),
            .number(7, chunkLength ?? Int64(pages.count)), .number(9, dataStart),
        ]
        let chunk = HostileParquet.record(beside + [.number(2, 4), .record(3, metadata + more)])
        let others = Array(repeating: HostileParquet.record([]), count: max(0, schema.count - 1))
        let group = HostileParquet.record([.list(1, [chunk] + others), .number(3, rowCount)])
        return HostileParquet.file(
            pages, [.number(1, 2), .list(2, [root] + schema), .number(3, rowCount), .list(4, [group])])
    }

    static func file(_ pages: [UInt8], _ footer: [ThriftField]) -> [UInt8] {
        let footer = record(footer)
        let length = (0..<4).map { UInt8(truncatingIfNeeded: footer.count >> (8 * $0)) }
        return Array("PAR1".utf8) + pages + footer + length + Array("PAR1".utf8)
    }
}
