import Basics
import Glibc
import Model
import S3
import Upload

/// What the ETag of a pack is at a server, by how it was sent.
enum PackETag {
    /// - Parameter given: what the server says: of one part, or of as many as there are when a pack is sent.
    /// - Returns: nil if that says nothing: it has another form, or the store's own pack is damaged.
    static func expected(_ payload: UploadPayload, _ given: String) throws -> String? {
        guard case .blob(.file(let path), .sha256(let digest, let size), .even(let part)?) = payload else { return nil }
        let isParted = given.contains("-")
        let division = isParted ? PartLayout.even(part) : .even(max(1, size))
        let count = division.count(ofSize: size)
        guard given.utf8.count >= 32, !isParted || given.hasSuffix("-\(count)") else { return nil }
        do throws(IcecoreError) {
            return try expected(path, digest, size, division, count, isParted)
        } catch {
            if error.code == .interrupted { throw error }
            return nil
        }
    }

    private static func expected(
        _ path: String, _ digest: [UInt8], _ size: Int64, _ division: PartLayout, _ count: Int, _ isParted: Bool
    ) throws(IcecoreError) -> String? {
        let file = try File.regular(path, followsLinks: false)
        guard try file.size() == size else { return nil }
        var whole = SHA256()
        var parts: [String] = []
        var position: Int64 = 0
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        for number in 0..<count {
            var md5 = MD5()
            let end = min(size, position.addingClamped(division.length(ofPart: number)))
            while position < end {
                try Interruption.check()
                let piece = UnsafeMutableRawBufferPointer(
                    rebasing: buffer[..<Int(min(Int64(buffer.count), end - position))])
                try file.read(into: piece, at: position)
                md5.update(UnsafeRawBufferPointer(piece))
                whole.update(UnsafeRawBufferPointer(piece))
                position += Int64(piece.count)
            }
            parts.append(Hex.encode(md5.finalize()))
        }
        guard whole.finalize() == digest else { return nil }
        return isParted ? S3UploadAnswer.etag(ofParts: parts) : parts.first
    }
}
