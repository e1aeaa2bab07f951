import Basics

/// What encloses the entries of a catalogue: a header before them, and behind them the list of packs and a trailer.
enum CatalogueFrame {
    static let version: UInt32 = 1
    static let magic = Array("icectlg\n".utf8)
    static let endMagic = Array("\ngltceci".utf8)
    static let headerLength = 16
    static let trailerLength = 60
    /// The number of a pack, and its name.
    static let packLength = 36
    /// A catalogue has no records that could be mistaken for something else.
    static let marker: UInt32 = 0

    static var header: [UInt8] {
        var bytes = magic
        bytes.append(number: version)
        bytes.append(number: PackFrame.crc32c(bytes))
        return bytes
    }
}

/// The last bytes of a catalogue.
struct CatalogueTrailer {
    let count: Int64
    let packCount: UInt32
    /// A CRC32C of the list of packs.
    let packCheck: UInt32
    /// The SHA-256 of the file up to here.
    let digest: [UInt8]

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(number: count)
        bytes.append(number: packCount)
        bytes.append(number: packCheck)
        bytes += digest
        bytes.append(number: PackFrame.crc32c(bytes))
        return bytes + CatalogueFrame.endMagic
    }

    init(count: Int64, packCount: UInt32, packCheck: UInt32, digest: [UInt8]) {
        self.count = count
        self.packCount = packCount
        self.packCheck = packCheck
        self.digest = digest
    }

    /// Nil unless that is the trailer of a file of so many bytes, whose numbers agree.
    init?(_ bytes: UnsafeRawBufferPointer, fileSize: Int64) {
        guard bytes.count == CatalogueFrame.trailerLength, bytes.part(52..<60).hasPrefix(CatalogueFrame.endMagic),
            PackFrame.crc32c(bytes.part(0..<48)) == bytes.number(at: 48, UInt32.self)
        else { return nil }
        count = bytes.number(at: 0, Int64.self)
        packCount = bytes.number(at: 8, UInt32.self)
        packCheck = bytes.number(at: 12, UInt32.self)
        digest = Array(bytes[16..<48])
        let frame = CatalogueFrame.headerLength + CatalogueFrame.trailerLength
        let rest = fileSize - Int64(frame) - Int64(packCount) * Int64(CatalogueFrame.packLength)
        guard count >= 0, BlockLayout.catalogue.length(count) == rest else { return nil }
    }
}
