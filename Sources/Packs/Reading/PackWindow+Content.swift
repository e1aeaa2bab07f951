import Basics
import Model

extension PackWindow {
    /// The header of a record that begins at a place; nil if none does.
    func header(at place: Int64, marker: UInt32) throws(IcecoreError) -> RecordHeader? {
        RecordHeader(try bytes(at: place, RecordHeader.longest), marker: marker)
    }

    /// The sound record at a place: its content is read, and its name made of that.
    ///
    /// - Parameter header: what is there.
    /// - Returns: nil if the header and the content do not belong together.
    func record(_ header: RecordHeader, at place: UInt32) throws(IcecoreError) -> PackRecord? {
        let start = Int64(place) + Int64(header.length)
        guard let name = try name(header, start..<start + Int64(header.size)),
            header.belongs(to: name, at: place, try bytes(at: Int64(place), header.length))
        else { return nil }
        return PackRecord(name: name, place: place)
    }

    /// The name that a content has; nil if the header says that it has none.
    private func name(_ header: RecordHeader, _ content: Range<Int64>) throws(IcecoreError) -> BlobName? {
        var place = content.lowerBound
        let size = Int64(header.size)
        switch header.kind {
        case .plain:
            var digester = MD5()
            while let piece = try piece(&place, content) { digester.update(piece) }
            return .etag(ETag(md5: digester.finalize()), size: size)
        case .sha256:
            var digester = SHA256()
            while let piece = try piece(&place, content) { digester.update(piece) }
            return .sha256(digester.finalize(), size: size)
        case .multipart:
            var check = CRC(.crc32c)
            while let piece = try piece(&place, content) { check.update(piece) }
            guard check.value == UInt64(header.contentCheck), let etag = header.etag else { return nil }
            return .etag(etag, size: size)
        }
    }

    private func piece(_ place: inout Int64, _ range: Range<Int64>) throws(IcecoreError) -> UnsafeRawBufferPointer? {
        guard place < range.upperBound else { return nil }
        let piece = try piece(at: place, upTo: range.upperBound)
        place += Int64(piece.count)
        return piece
    }
}

extension ETag {
    /// The plain ETag that 16 bytes are.
    init(md5: [UInt8]) {
        let key = md5.withUnsafeBytes { PackKey($0, at: 0) }
        self.init(high: key.high, low: key.low, parts: 0)
    }
}

extension RecordHeader {
    /// Whether a content, which is in memory, is what a header that belongs to this name is about.
    func vouches(for content: UnsafeRawBufferPointer, _ name: BlobName) -> Bool {
        switch name {
        case .sha256(let digest, _):
            var digester = SHA256()
            digester.update(content)
            return digester.finalize() == digest
        case .etag(let etag, _) where etag.parts == 0:
            var digester = MD5()
            digester.update(content)
            return ETag(md5: digester.finalize()) == etag
        case .etag:
            return PackFrame.crc32c(content) == contentCheck
        }
    }
}
