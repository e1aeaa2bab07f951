import Basics
import Glibc
import Model

/// Some bytes of a pack that lies elsewhere, from the beginning of a record on: the contents that are whole in it, each
/// checked by its digest.
public struct FetchedRecords {
    private let marker: UInt32
    /// Where the bytes begin in the pack.
    private let start: UInt32
    private let bytes: [UInt8]
    public private(set) var records: [PackRecord] = []

    /// - Parameter start: where the first record begins.
    public init(_ bytes: [UInt8], from start: UInt32) {
        self.bytes = bytes
        self.start = start
        guard bytes.count >= RecordHeader.shortest else {
            marker = 0
            return
        }
        // Every record has the pack's marker. That it is the right one, the check of each says.
        marker = bytes.withUnsafeBytes { $0.number(at: 0, UInt32.self) }
        var place = start
        while let record = record(at: place) {
            records.append(record)
            guard let next = UInt32(exactly: record.end) else { break }
            place = next
        }
    }

    private func record(at place: UInt32) -> PackRecord? {
        bytes.withUnsafeBytes { all in
            let first = Int(place - start)
            guard first < all.count else { return nil }
            let bytes = all.part(first..<all.count)
            guard let header = RecordHeader(bytes, marker: marker), header.length + Int(header.size) <= bytes.count
            else {
                return nil
            }
            let content = bytes.part(header.length..<header.length + Int(header.size))
            let name: BlobName
            switch header.kind {
            case .plain:
                var digester = MD5()
                digester.update(content)
                name = .etag(ETag(md5: digester.finalize()), size: Int64(header.size))
            case .sha256:
                var digester = SHA256()
                digester.update(content)
                name = .sha256(digester.finalize(), size: Int64(header.size))
            case .multipart:
                guard PackFrame.crc32c(content) == header.contentCheck, let etag = header.etag else { return nil }
                name = .etag(etag, size: Int64(header.size))
            }
            return header.belongs(to: name, at: place, bytes) ? PackRecord(name: name, place: place) : nil
        }
    }

    /// Passes the content of a record to `body`.
    public func withContent<Result>(_ record: PackRecord, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows
        -> Result
    {
        let range = Int(record.content.lowerBound - Int64(start))..<Int(record.content.upperBound - Int64(start))
        return try bytes.withUnsafeBytes { try body($0.part(range)) }
    }

    /// Keeps the records in a pack of which only some are here. What is not has holes, in which no record is.
    ///
    /// A record is there once its header is, which is written when its content is durable.
    ///
    /// - Parameters:
    ///   - size: of the whole pack.
    ///   - temporary: a directory on the same file system.
    public func keep(in folder: PackFolder, _ name: PackName, size: Int64, temporary: String) throws {
        guard let first = records.first, let last = records.last, last.end <= size else { return }
        let path = folder.path(of: name)
        if !Files.exists(path) {
            try Files.createDirectory(folder.path)
            try Files.createDirectory(Files.directory(of: path))
            let new = "\(temporary)/fetched-\(getpid())-\(UInt64.random(in: 0 ... .max))"
            do {
                let file = try File(new, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
                try PackFrame.header(marker: marker).withUnsafeBytes { try file.write($0, at: 0) }
                let (length, descriptor) = (off_t(size), file.descriptor)
                try systemCall("cannot enlarge", new) { ftruncate(descriptor, length) }
                try file.close()
                // Whoever is first has made it for all.
                if link(new, path) != 0, errno != EEXIST {
                    throw IcecoreError.system("cannot create", path, errno: errno)
                }
                unlink(new)
            } catch {
                unlink(new)
                throw error
            }
        }
        let file = try File(path, O_WRONLY | O_NOFOLLOW)
        guard try file.size() == size else { return }
        let offset = Int64(first.place)
        try bytes.withUnsafeBytes { all in
            for record in records {
                let range = record.content
                try file.write(
                    all.part(Int(range.lowerBound - offset)..<Int(range.upperBound - offset)), at: range.lowerBound)
            }
            try file.synchronize()
            for record in records {
                let header = Int64(record.place)..<record.content.lowerBound
                try file.write(
                    all.part(Int(header.lowerBound - offset)..<Int(header.upperBound - offset)), at: header.lowerBound)
            }
        }
        try file.close()
    }
}
