import Basics
import CFuse3
import Glibc
import Index
import Model

extension Worker {
    func read(_ request: Request, _ id: UInt64, count: Int, offset: Int64) throws {
        switch Node(id, hasHistory: files.hasHistory) {
        case .readme:
            var text = HistoryReadme.text
            text.withUTF8 { bytes in
                let from = min(max(0, Int(offset)), bytes.count)
                let length = min(count, bytes.count - from)
                UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[from..<from + length]).withMemoryRebound(
                    to: CChar.self
                ) { _ = fuse_reply_buf(request, $0.baseAddress, length) }
            }
        case .row(let directory, let slot):
            guard let record = try record(id, directory: directory, slot: slot) else { return fail(request, ESTALE) }
            try read(request, record, directory: directory, slot: slot, count: count, offset: offset)
        default: fail(request, EISDIR)
        }
    }

    private func read(
        _ request: Request, _ record: RowRecord, directory: Int64, slot: Int64, count: Int, offset: Int64
    ) throws {
        let wanted = Int(min(Int64(min(count, Session.largestRead)), record.size - offset))
        if offset < 0 || wanted <= 0 {
            fuse_reply_buf(request, nil, 0)
            return
        }
        var descriptor = blobs.kept(record.node)
        if descriptor < 0 {
            switch try open(record, directory: directory, slot: slot) {
            case .descriptor(let opened): descriptor = opened
            case .absent: return try answerAbsent(request, record, offset: offset, count: wanted)
            case .failed(let number):
                files.log.write("cannot open the blob of \(try describe(record)): \(String(cString: strerror(number)))")
                return fail(request, EIO)
            }
            // What one read takes whole is not read again soon: the kernel keeps it.
            if wanted == record.size {
                unneeded = descriptor
                return try reply(request, record, descriptor, offset: offset, count: wanted)
            }
            blobs.keep(descriptor, for: record.node)
        }
        try reply(request, record, descriptor, offset: offset, count: wanted)
    }

    func open(_ record: RowRecord, directory: Int64, slot: Int64) throws -> BlobFiles.Opened {
        let etag: ETag
        if let known = record.etag {
            etag = known
        } else {
            let filed = try withRow(record.node, directory: directory, slot: slot) { row in
                try row.contentETag(prefix: try reader.prefix(of: directory) ?? [])
            }
            guard let found = filed ?? nil else { return .absent }
            etag = found
        }
        return try blobs.open(etag: etag, size: record.size) {
            try reader.blobFacts(etag: etag, size: record.size).sha256
        }
    }

    private func reply(
        _ request: Request, _ record: RowRecord, _ descriptor: Int32, offset: Int64, count: Int
    ) throws {
        // What the page cache has is there at once; for the disk, another thread takes over the next request.
        var done = max(0, icecore_read_cached(descriptor, buffer, UInt(count), off_t(offset)))
        if done < count { willWait() }
        while done < count {
            let got = pread(descriptor, buffer + done, count - done, off_t(offset) + done)
            if got < 0, errno == EINTR { continue }
            if got <= 0 {
                // Fewer bytes than the size says: zeros in their place would be a lie.
                let reason = got < 0 ? String(cString: strerror(errno)) : "it is too short"
                files.log.write("cannot read the blob of \(try describe(record)): \(reason); run 'icecore verify'")
                return fail(request, EIO)
            }
            done += got
        }
        fuse_reply_buf(request, buffer.assumingMemoryBound(to: CChar.self), count)
    }

    /// Answers a read of a content that is not in the store: hands it to the fetcher, which answers from its own thread.
    private func answerAbsent(_ request: Request, _ record: RowRecord, offset: Int64, count: Int) throws {
        let name = try describe(record)
        guard let fetcher = files.fetcher else {
            files.log.write("the content of \(name) is not in the store: 'icecore sync' fetches it")
            return fail(request, EIO)
        }
        guard let (want, loss) = try want(record) else { return fail(request, ESTALE) }
        if let loss {
            files.log.write("the content of \(name) cannot be had: it is \(loss)")
            return fail(request, EIO)
        }
        fetcher.read(
            want, AbsentRead(request, offset..<offset + Int64(count), of: record.node, log: files.log, name: name))
    }

    /// How the content of a row can be had from the bucket, or why not; nil if the index has no such row.
    private func want(_ record: RowRecord) throws -> (Want, loss: String?)? {
        guard case .row(let directory, let slot) = Node(record.node, hasHistory: false) else { return nil }
        return try withRow(record.node, directory: directory, slot: slot) { row -> (Want, String?)? in
            guard let etag = row.etagValue, let prefix = try reader.prefix(of: directory) else { return nil }
            let want = Want(
                key: prefix + row.name, versionId: row.versionIsUnknown ? nil : Array(row.versionId), etag: etag,
                contentETag: row.contentETag(prefix: prefix), size: row.size,
                isLatest: row.seenFrom != 0 && row.seenTo == 0, isOpaque: row.flags.contains(.opaque),
                isArchived: row.flags.contains(.archived), lastModified: row.lastModified, replacedAt: .distantFuture)
            // What a prune has dropped does not come back by being read.
            let losses: [(EntryRow.Flags, String)] = [
                (.pruned, "pruned"), (.gone, "gone for good"), (.archived, "archived"),
            ]
            return (want, losses.first { row.flags.contains($0.0) }?.1)
        } ?? nil
    }

    /// A row in messages.
    private func describe(_ record: RowRecord) throws -> String {
        guard case .row(let directory, let slot) = Node(record.node, hasHistory: false),
            let text = try withRow(
                record.node, directory: directory, slot: slot,
                { row in
                    let id = row.versionIsUnknown ? "" : " version \(String(decoding: row.versionId, as: UTF8.self))"
                    return (Array(row.name), id)
                })
        else { return "inode \(record.node)" }
        let key = (try reader.prefix(of: directory) ?? []) + text.0
        // Keys may hold line ends and worse.
        return "\(String(decoding: key, as: UTF8.self).debugDescription)\(text.1)"
    }
}
