import CLinux

/// A cyclic redundancy check, as S3 makes them of objects: eight bytes at a time, by tables, or by the processor's own
/// instruction where it has one for the function.
public struct CRC: Sendable {
    public enum Function: Sendable {
        /// That of zlib, gzip and Ethernet.
        case crc32
        /// Castagnoli's, as in iSCSI.
        case crc32c
        /// That of NVMe, also known as Rocksoft's.
        case crc64nvme

        /// The polynomial, the lowest bit first.
        fileprivate var polynomial: UInt64 {
            switch self {
            case .crc32: 0xEDB8_8320
            case .crc32c: 0x82F6_3B78
            case .crc64nvme: 0x9A6C_9329_AC4B_C9B5
            }
        }

        fileprivate var byteCount: Int { self == .crc64nvme ? 8 : 4 }
        fileprivate var ones: UInt64 { self == .crc64nvme ? .max : 0xFFFF_FFFF }

        fileprivate var tables: Tables {
            switch self {
            case .crc32: Tables.crc32
            case .crc32c: Tables.crc32c
            case .crc64nvme: Tables.crc64nvme
            }
        }
    }

    /// For each of eight places of a byte, what each value of it does to the rest: place 0 is the last of the eight.
    fileprivate final class Tables: Sendable {
        static let crc32 = Tables(.crc32)
        static let crc32c = Tables(.crc32c)
        static let crc64nvme = Tables(.crc64nvme)
        /// 8 × 256 numbers. Written once, and never freed.
        nonisolated(unsafe) let entries = UnsafeMutablePointer<UInt64>.allocate(capacity: 8 * 256)

        init(_ function: Function) {
            for byte in 0..<256 {
                var value = UInt64(byte)
                for _ in 0..<8 { value = value & 1 == 0 ? value >> 1 : value >> 1 ^ function.polynomial }
                entries[byte] = value
            }
            for place in 1..<8 {
                for byte in 0..<256 {
                    let before = entries[(place - 1) * 256 + byte]
                    entries[place * 256 + byte] = before >> 8 ^ entries[Int(before & 0xFF)]
                }
            }
        }
    }

    /// Whether the processor has an instruction for CRC32C.
    static let hasInstruction = icecore_has_crc32c() != 0

    private let function: Function
    private let tables: Tables
    private let usesInstruction: Bool
    private var state: UInt64

    public init(_ function: Function) {
        self.init(function, usingInstruction: true)
    }

    init(_ function: Function, usingInstruction: Bool) {
        self.function = function
        tables = function.tables
        state = function.ones
        usesInstruction = usingInstruction && function == .crc32c && CRC.hasInstruction
    }

    /// Takes the next bytes.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard usesInstruction else { return updateByTables(bytes) }
        guard let base = bytes.baseAddress else { return }
        let first = base.assumingMemoryBound(to: UInt8.self)
        state = UInt64(icecore_crc32c(UInt32(truncatingIfNeeded: state), first, UInt(bytes.count)))
    }

    private mutating func updateByTables(_ bytes: UnsafeRawBufferPointer) {
        let table = UnsafePointer(tables.entries)
        var (state, place) = (self.state, 0)
        while bytes.count - place >= 8 {
            let word = state ^ UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
            // The first byte has the longest way to go.
            var next = table[7 * 256 + Int(word & 0xFF)] ^ table[6 * 256 + Int(word >> 8 & 0xFF)]
            next ^= table[5 * 256 + Int(word >> 16 & 0xFF)] ^ table[4 * 256 + Int(word >> 24 & 0xFF)]
            next ^= table[3 * 256 + Int(word >> 32 & 0xFF)] ^ table[2 * 256 + Int(word >> 40 & 0xFF)]
            state = next ^ table[256 + Int(word >> 48 & 0xFF)] ^ table[Int(word >> 56)]
            place += 8
        }
        while place < bytes.count {
            state = state >> 8 ^ table[Int((state ^ UInt64(bytes[place])) & 0xFF)]
            place += 1
        }
        self.state = state
    }

    /// The check of everything so far, the highest byte first: 4 bytes, or 8 of ``Function/crc64nvme``.
    public var digest: [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0.suffix(function.byteCount)) }
    }

    /// The same as a number.
    public var value: UInt64 { state ^ function.ones }
}
