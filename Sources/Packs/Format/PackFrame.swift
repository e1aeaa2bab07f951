import Basics

/// What encloses the records of a pack: a header before them, and behind their directory a trailer.
enum PackFrame {
    static let version: UInt32 = 1
    static let magic = Array("icecpack".utf8)
    static let endMagic = Array("kcapceci".utf8)
    static let headerLength = 20
    static let trailerLength = 68

    /// The magic text, the version, the marker, and a CRC32C of these.
    static func header(marker: UInt32) -> [UInt8] {
        var bytes = magic
        bytes.append(number: version)
        bytes.append(number: marker)
        bytes.append(number: crc32c(bytes))
        return bytes
    }

    /// The marker that a header names.
    ///
    /// - Returns: nil if that is no header.
    /// - Throws: `unsupported` for another version.
    static func marker(header: UnsafeRawBufferPointer, path: String) throws(IcecoreError) -> UInt32? {
        guard header.count >= headerLength, header.hasPrefix(magic),
            crc32c(header.part(0..<16)) == header.number(at: 16, UInt32.self)
        else { return nil }
        let version = header.number(at: 8, UInt32.self)
        guard version == self.version else {
            throw IcecoreError(
                .unsupported, "the pack '\(path)' has format \(version), which only a newer Icecore knows")
        }
        return header.number(at: 12, UInt32.self)
    }

    static func crc32c(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var check = CRC(.crc32c)
        check.update(bytes)
        return UInt32(truncatingIfNeeded: check.value)
    }

    static func crc32c(_ bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBytes { crc32c($0) }
    }
}

/// The last bytes of a pack.
struct PackTrailer {
    /// Where the directory begins, which is where the records end.
    let directory: Int64
    let count: UInt32
    /// Of all contents.
    let contentBytes: Int64
    let marker: UInt32
    /// The SHA-256 of the directory.
    let digest: [UInt8]

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(number: directory)
        bytes.append(number: count)
        bytes.append(number: contentBytes)
        bytes.append(number: marker)
        bytes += digest
        bytes.append(number: PackFrame.crc32c(bytes))
        return bytes + PackFrame.endMagic
    }

    init(directory: Int64, count: UInt32, contentBytes: Int64, marker: UInt32, digest: [UInt8]) {
        self.directory = directory
        self.count = count
        self.contentBytes = contentBytes
        self.marker = marker
        self.digest = digest
    }

    /// Nil unless that is the trailer of a file of so many bytes, whose numbers agree.
    init?(_ bytes: UnsafeRawBufferPointer, fileSize: Int64) {
        guard bytes.count == PackFrame.trailerLength,
            bytes.part(60..<68).hasPrefix(PackFrame.endMagic),
            PackFrame.crc32c(bytes.part(0..<56)) == bytes.number(at: 56, UInt32.self)
        else { return nil }
        directory = bytes.number(at: 0, Int64.self)
        count = bytes.number(at: 8, UInt32.self)
        contentBytes = bytes.number(at: 12, Int64.self)
        marker = bytes.number(at: 20, UInt32.self)
        digest = Array(bytes[24..<56])
        let room = Int64(PackFrame.headerLength) + Int64(count) * Int64(RecordHeader.shortest)
        guard count > 0, directory >= room, directory <= fileSize,
            (0...directory - room).contains(contentBytes),
            directory + BlockLayout.directory.length(Int64(count)) + Int64(PackFrame.trailerLength) == fileSize
        else { return nil }
    }
}
