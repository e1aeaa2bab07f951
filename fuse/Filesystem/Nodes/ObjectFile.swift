import Basics
import CFuse3
import Download
import Glibc
import Index
import Model

/// One version of an object: the file of a row, the same in every view that shows it and under `versions/`.
struct ObjectFile: FileNode {
    let id: UInt64
    let directory: Int64
    let slot: Int64

    @inline(__always)
    private func record(_ worker: RequestWorker) throws -> RowRecord? {
        try worker.record(id, directory: directory, slot: slot)
    }

    /// Gives the row to `body`, with all its columns; nil if the index has no such row.
    private func withRow<Result>(
        _ worker: RequestWorker, _ body: (borrowing EntryRow) throws -> Result
    ) throws -> Result? {
        try worker.withRow(id, directory: directory, slot: slot, body)
    }

    func lookupSelf(_ request: Request, _ worker: RequestWorker) throws {
        // The mount of one view gives out no other view's files.
        let own = worker.files.hasHistory ? nil : try worker.view(ViewTable.own)
        let found = try withRow(worker) { row -> (record: RowRecord, isShown: Bool) in
            guard !worker.files.hasHistory else { return (RowRecord(row, node: id), true) }
            let isShown = own.map { $0.view.shows(row, worker.reader.timeline) } ?? false
            return (RowRecord(row, node: id), isShown && DirectoryScan.isFile(row, in: directory))
        }
        guard let found, found.isShown, let current = try worker.view(ViewTable.own) else {
            return worker.fail(request, ESTALE)
        }
        worker.reply(request, found.record, current.entryTimeout)
    }

    func getattr(_ request: Request, _ worker: RequestWorker) throws {
        guard let record = try record(worker) else { return worker.fail(request, ESTALE) }
        var status = stat()
        worker.fill(&status, record)
        fuse_reply_attr(request, &status, FileSystem.forever)
    }

    // MARK: Opening

    func open(_ request: Request, _ worker: RequestWorker) throws {
        let passthrough = worker.files.passthrough
        guard let record = try record(worker), record.size >= Passthrough.smallest else {
            return passthrough.replySmall(request)
        }
        try passthrough.replyLarge(request, id) {
            // A record of a pack is no file of its own.
            guard case .descriptor(let blob) = try openBlob(record, worker) else { return -1 }
            // The kernel would not report a blob that is too short as an error: the daemon does.
            var status = stat()
            if fstat(blob, &status) == 0, status.st_size == record.size { return blob }
            close(blob)
            return -1
        }
    }

    private func openBlob(_ record: RowRecord, _ worker: RequestWorker) throws -> BlobFiles.Opened {
        let etag: ETag
        if let known = record.etag {
            etag = known
        } else {
            let filed = try withRow(worker) { row in
                try row.contentETag(prefix: try worker.reader.prefix(of: directory) ?? [])
            }
            guard let found = filed ?? nil else { return .absent }
            etag = found
        }
        return try worker.blobs.open(etag: etag, size: record.size) {
            try worker.reader.blobFacts(etag: etag, size: record.size).sha256
        }
    }

    // MARK: Reading

    func read(count: Int, offset: Int64, _ request: Request, _ worker: RequestWorker) throws {
        guard let record = try record(worker) else {
            if try readPruned(count: count, offset: offset, request, worker) { return }
            return failPruned(request, worker)
        }
        let wanted = Int(min(Int64(min(count, FileSystem.largestRead)), record.size - offset))
        if offset < 0 || wanted <= 0 {
            fuse_reply_buf(request, nil, 0)
            return
        }
        var descriptor = worker.blobs.kept(id)
        if descriptor < 0 {
            switch try openBlob(record, worker) {
            case .descriptor(let opened): descriptor = opened
            case .packed(let packed, let isNext):
                let start = packed.record.content.lowerBound
                let thread = fuse_req_ctx(request).pointee.pid
                try reply(packed.pack.descriptor, offset: start + offset, count: wanted, request, worker)
                if wanted == record.size, record.size <= NeighbourFeeder.largest {
                    worker.files.habits.withLock { $0.read(thread) }
                    worker.files.feeder?.didRead(
                        id, directory: directory, name: worker.name, packed, isNext: isNext)
                }
                return
            case .absent:
                if try readPruned(count: count, offset: offset, request, worker) { return }
                return try answerAbsent(record, offset: offset, count: wanted, request, worker)
            case .failed(let number):
                worker.files.log.write(
                    "cannot open the blob of \(try describe(worker)): \(String(cString: strerror(number)))")
                return worker.fail(request, EIO)
            }
            // A file that one READ takes whole is not read again soon: the kernel keeps it.
            if wanted == record.size {
                worker.unneeded = descriptor
                return try reply(descriptor, offset: offset, count: wanted, request, worker)
            }
            worker.blobs.keep(descriptor, for: id)
            worker.files.openBlobs.note(id, descriptor, size: record.size)
        }
        try reply(descriptor, offset: offset, count: wanted, request, worker)
    }

    /// Reads a blob that a prune has removed while somebody was reading it; false if it was not kept.
    private func readPruned(count: Int, offset: Int64, _ request: Request, _ worker: RequestWorker) throws -> Bool {
        guard let (descriptor, size) = worker.files.openBlobs.take(id) else { return false }
        worker.blobs.keep(descriptor, for: id)
        let wanted = Int(min(Int64(min(count, FileSystem.largestRead)), size - offset))
        if offset < 0 || wanted <= 0 {
            fuse_reply_buf(request, nil, 0)
        } else {
            try reply(descriptor, offset: offset, count: wanted, request, worker)
        }
        return true
    }

    private func failPruned(_ request: Request, _ worker: RequestWorker) {
        worker.files.log.write(
            "inode \(id) was read after its version had gone from the index: a prune drops what is open, too")
        worker.fail(request, ESTALE)
    }

    private func reply(
        _ descriptor: Int32, offset: Int64, count: Int, _ request: Request, _ worker: RequestWorker
    ) throws {
        let buffer = worker.buffer
        // What the page cache has is there at once; for the disk, another thread takes over the next request.
        var done = File.readCached(
            descriptor, into: UnsafeMutableRawBufferPointer(start: buffer, count: count), at: offset)
        if done < count { worker.willWait() }
        while done < count {
            let got = pread(descriptor, buffer + done, count - done, off_t(offset) + done)
            if got < 0, errno == EINTR { continue }
            if got <= 0 {
                // Fewer bytes than the size says: to fill up with zeros would be a lie.
                let reason = got < 0 ? String(cString: strerror(errno)) : "it is too short"
                worker.files.log.write(
                    "cannot read the blob of \(try describe(worker)): \(reason); run 'icecore verify'")
                return worker.fail(request, EIO)
            }
            done += got
        }
        fuse_reply_buf(request, buffer.assumingMemoryBound(to: CChar.self), count)
    }

    // MARK: A content that is not in the store

    /// Hands the read to the fetcher, which answers it from its own thread.
    private func answerAbsent(
        _ record: RowRecord, offset: Int64, count: Int, _ request: Request, _ worker: RequestWorker
    ) throws {
        let files = worker.files
        let name = try describe(worker)
        guard let fetcher = files.fetcher else {
            files.log.write("the content of \(name) is not in the store: run 'icecore sync' to fetch it")
            return worker.fail(request, EIO)
        }
        guard let (want, loss) = try want(worker) else { return failPruned(request, worker) }
        if let loss {
            files.log.write("the content of \(name) cannot be fetched: it is \(loss)")
            return worker.fail(request, EIO)
        }
        fetcher.read(
            want, AbsentRead(request, offset..<offset + Int64(count), of: id, log: files.log, name: name))
    }

    /// How to fetch the content from the bucket, or why that is impossible; nil if the index has no such row.
    private func want(_ worker: RequestWorker) throws -> (FetchRequest, loss: String?)? {
        try withRow(worker) { row -> (FetchRequest, String?)? in
            guard let etag = row.etagValue, let prefix = try worker.reader.prefix(of: directory) else { return nil }
            var want = FetchRequest(
                key: prefix + row.name, versionId: row.versionIsUnknown ? nil : Array(row.versionId), etag: etag,
                contentETag: row.contentETag(prefix: prefix), size: row.size,
                isLatest: row.seenFrom != 0 && row.seenTo == 0, isOpaque: row.flags.contains(.opaque),
                isArchived: row.flags.contains(.archived), lastModified: row.lastModified, replacedAt: .distantFuture)
            want.wasPresent = row.flags.contains(.present)
            // Reading must not bring back what a prune has dropped.
            let losses: [(EntryRow.Flags, String)] = [(.pruned, "pruned"), (.gone, "gone for good")]
            return (want, losses.first { row.flags.contains($0.0) }?.1)
        } ?? nil
    }

    /// The version in messages.
    private func describe(_ worker: RequestWorker) throws -> String {
        let text = try withRow(worker) { row in
            let id = row.versionIsUnknown ? "" : " version \(String(decoding: row.versionId, as: UTF8.self))"
            return (Array(row.name), id)
        }
        guard let text else { return "inode \(id)" }
        let key = (try worker.reader.prefix(of: directory) ?? []) + text.0
        // Keys may contain line ends and worse.
        return "\(String(decoding: key, as: UTF8.self).debugDescription)\(text.1)"
    }

    // MARK: Extended attributes

    func extendedAttributes(_ worker: RequestWorker) throws -> [ExtendedAttribute]? {
        try withRow(worker) { row in
            try ExtendedAttribute.all(row, in: directory, snapshot: snapshot(row, worker), worker.reader)
        }
    }

    /// The value of `user.icecore.snapshot`: in the mount of one view the view's name. With `--history` one file stands
    /// in many dates, so it is the newest snapshot that lists the version.
    private func snapshot(_ row: borrowing EntryRow, _ worker: RequestWorker) throws -> [UInt8]? {
        if !worker.files.hasHistory { return try worker.view(ViewTable.own).map { Array($0.view.name.utf8) } }
        let timeline = worker.reader.timeline
        let points = timeline.points
        if row.listedFrom == 0 { return nil }
        if row.listedTo == 0 { return points.last.map { Array($0.name.utf8) } }
        let rank = Int(timeline.rank(of: row.listedTo))
        return points.indices.contains(rank - 1) ? Array(points[rank - 1].name.utf8) : nil
    }
}
