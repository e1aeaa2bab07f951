import Basics

extension PackFuzzEntryPoints {
    /// The bytes with checks that agree, as far as it has the shape of a pack or a catalogue: nothing that is only changed by
    /// chance would come past them.
    static func mended(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        if bytes.starts(with: PackFrame.magic) {
            mendPack(&bytes)
        } else if bytes.starts(with: CatalogueFrame.magic) {
            mendCatalogue(&bytes)
        }
        return bytes
    }

    private static func mendPack(_ bytes: inout [UInt8]) {
        let end = bytes.count - PackFrame.trailerLength
        guard end >= PackFrame.headerLength else { return }
        put(PackFrame.crc32c(Array(bytes[..<16])), at: 16, of: &bytes)
        let marker = number(12, of: bytes)
        put(marker, at: end + 20, of: &bytes)
        let (start, count) = (Int(number(end + 4, of: bytes)), Int64(number(end + 8, of: bytes)))
        if start <= end {
            mendBlocks(.directory, count, start..<end, marker: marker, of: &bytes)
            bytes.replaceSubrange(end + 24..<end + 56, with: SHA256.digest(Array(bytes[start..<end])))
        }
        put(PackFrame.crc32c(Array(bytes[end..<end + 56])), at: end + 56, of: &bytes)
    }

    private static func mendCatalogue(_ bytes: inout [UInt8]) {
        let end = bytes.count - CatalogueFrame.trailerLength
        let start = CatalogueFrame.headerLength
        guard end >= start else { return }
        put(PackFrame.crc32c(Array(bytes[..<12])), at: 12, of: &bytes)
        let count = Int64(number(end + 4, of: bytes))
        let list = Int64(end) - Int64(number(end + 8, of: bytes)) * Int64(CatalogueFrame.packLength)
        if list >= start {
            mendBlocks(.catalogue, count, start..<Int(list), marker: CatalogueFrame.marker, of: &bytes)
            put(PackFrame.crc32c(Array(bytes[Int(list)..<end])), at: end + 12, of: &bytes)
        }
        bytes.replaceSubrange(end + 16..<end + 48, with: SHA256.digest(Array(bytes[..<end])))
        put(PackFrame.crc32c(Array(bytes[end..<end + 48])), at: end + 48, of: &bytes)
    }

    private static func mendBlocks(
        _ layout: BlockLayout, _ count: Int64, _ range: Range<Int>, marker: UInt32, of bytes: inout [UInt8]
    ) {
        guard layout.length(count) == range.count else { return }
        for block in 0..<layout.blocks(count) {
            let start = range.lowerBound + Int(block) * layout.blockLength
            let end = min(start + layout.blockLength, range.upperBound) - BlockLayout.checkLength
            let check = bytes[start..<end].withUnsafeBytes { BlockLayout.check($0, block, marker: marker) }
            put(check, at: end, of: &bytes)
        }
    }

    private static func number(_ place: Int, of bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBytes { $0.number(at: place, UInt32.self) }
    }

    private static func put(_ number: UInt32, at place: Int, of bytes: inout [UInt8]) {
        for index in 0..<4 { bytes[place + index] = UInt8(truncatingIfNeeded: number >> (24 - 8 * UInt32(index))) }
    }
}
