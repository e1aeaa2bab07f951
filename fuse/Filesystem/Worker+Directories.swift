import Basics
import CFuse3
import Glibc
import Index
import Model

extension Worker {
    func readdir(_ request: Request, _ id: UInt64, size: Int, position: Int64, isPlus: Bool) throws {
        guard let node = Node(id, hasHistory: files.hasHistory), let current = try view(of: node) else {
            return fail(request, ESTALE)
        }
        var listing = Listing(request, entries, size: min(size, Session.largestRead), isPlus: isPlus)
        if position == Listing.Position.end { return listing.reply() }
        // A position that nobody was given: nothing follows it.
        if position < 0 { return fail(request, EINVAL) }
        if isPlus, position == Listing.Position.start {
            let id = fuse_req_ctx(request).pointee.pid
            listing.hasAttributes = files.habits.withLock { $0.list(id) }
        }
        guard addDots(&listing, id, current, position) else { return listing.reply() }
        let isComplete: Bool
        switch node {
        case .directory(let directory, ViewTable.versions):
            isComplete = try listVersions(&listing, id, directory, current, position)
        case .directory(let directory, _): isComplete = try list(&listing, id, directory, current, position)
        case .key(let directory, let slot):
            isComplete = try listVersions(&listing, ofRow: slot, in: directory, current, position)
        case .top: isComplete = try listTop(&listing, position)
        case .at: isComplete = try listSnapshots(&listing, current, position)
        case .row, .readme: return fail(request, ENOTDIR)
        }
        if isComplete { listing.markEnd() }
        listing.reply()
    }

    // MARK: In a view

    private func list(
        _ listing: inout Listing, _ id: UInt64, _ directory: Int64, _ current: CurrentView, _ position: Int64
    ) throws -> Bool {
        if position < Listing.Position.object, let record = try twin(of: directory, current.view) {
            guard add(&listing, Naming.object, record, current, Listing.Position.object) else { return false }
        }
        guard var start = try resume(id, directory, position) else { return true }
        let batch = start
        var lastPosition = position
        scan.seek(directory, current.view, from: start, isAfter: position >= Listing.Position.rows)
        defer { scan.close() }
        while try scan.next() {
            let next = Listing.Position.after(scan.slot)
            let isAdded: Bool
            if scan.child == 0 {
                // What cannot have a number cannot be shown; a look-up says EOVERFLOW.
                guard let record = scan.record else { continue }
                isAdded = scan.name.withUnsafeBytes { bytes in
                    guard Naming.isPlain(bytes) else {
                        return add(&listing, Naming.fileName(scan.name), record, current, next)
                    }
                    return add(&listing, scan.name, record, current, next)
                }
                if isAdded, listing.hasAttributes { scan.name.withUnsafeBytes { files.rows.insert(record, name: $0) } }
            } else {
                guard let node = Node.directory(scan.child, current.number) else { continue }
                isAdded = add(&listing, Naming.fileName(Array(scan.component)), directory: node, current, next)
            }
            if !isAdded {
                files.resumePoints.insert(id, from: batch, to: start, at: lastPosition)
                return false
            }
            lastPosition = next
            start.removeAll(keepingCapacity: true)
            start.append(contentsOf: scan.name)
        }
        return true
    }

    /// The name in the index that a position stands for; empty for the beginning of the rows, nil for a row that is
    /// gone.
    func resume(_ id: UInt64, _ directory: Int64, _ position: Int64) throws -> [UInt8]? {
        if position <= Listing.Position.rows { return [] }
        if let name = files.resumePoints.name(id, at: position) { return name }
        // The caller took only a part of the newest batch, or it was long ago: look for the slot.
        let slot = Listing.Position.slot(position)
        if let start = files.resumePoints.newestBatch(id), let name = try self.name(of: slot, directory, start, 4096) {
            return name
        }
        return try nodes.row(slot: slot, in: directory) { Array($0.name) }
    }

    private func name(of slot: Int64, _ directory: Int64, _ start: [UInt8], _ limit: Int) throws -> [UInt8]? {
        let cursor = try reader.cursor()
        cursor.seek(directory: directory, from: start)
        defer { cursor.close() }
        var count = 0
        while count < limit, try cursor.next() {
            if cursor.row.slot == slot { return Array(cursor.row.name) }
            count += 1
        }
        return nil
    }

    // MARK: Around the views

    private func listTop(_ listing: inout Listing, _ position: Int64) throws -> Bool {
        guard let versions = try view(ViewTable.versions), let latest = try view(ViewTable.own) else { return true }
        let root = IndexReader.root
        let names: [(String, UInt64, CurrentView)] = [
            ("README.txt", Node.readmeId, versions), ("at", Node.atId, versions),
            ("latest", Node.directory(root, ViewTable.own) ?? 0, latest),
            ("versions", Node.directory(root, ViewTable.versions) ?? 0, versions),
        ]
        for (place, (name, node, current)) in names.enumerated() where Listing.Position.after(Int64(place)) > position {
            var entry = entry(directory: node, current)
            if node == Node.readmeId {
                fillReadme(&entry.attr, current.time)
                entry.attr_timeout = FileSystem.forever
            }
            guard name.withCString({ listing.add($0, &entry, Listing.Position.after(Int64(place))) }) else {
                return false
            }
        }
        return true
    }

    private func listSnapshots(_ listing: inout Listing, _ versions: CurrentView, _ position: Int64) throws -> Bool {
        // In the order of ids: a snapshot that is synced while somebody lists comes last, whatever its date.
        for point in reader.timeline.kept.sorted(by: { $0.id < $1.id }) {
            let next = Listing.Position.after(point.id)
            let name = Array(point.name.utf8)
            guard next > position, name.withUnsafeBytes(Naming.isPlain), !name.contains(UInt8(ascii: "/")),
                let number = ViewTable.number(ofSnapshot: point.id), var current = try view(number),
                let node = Node.directory(IndexReader.root, number)
            else { continue }
            current.entryTimeout = versions.entryTimeout
            guard add(&listing, name, directory: node, current, next) else { return false }
        }
        return true
    }

    // MARK: Entries

    /// Adds `.` and `..`; false where there is no room.
    private func addDots(_ listing: inout Listing, _ id: UInt64, _ current: CurrentView, _ position: Int64) -> Bool {
        var entry = entry(directory: id, current)
        entry.ino = 0
        if position < Listing.Position.dot, !listing.add(".", &entry, Listing.Position.dot) { return false }
        // Nobody looks at its number: the kernel knows what is above.
        return position >= Listing.Position.dotdot || listing.add("..", &entry, Listing.Position.dotdot)
    }

    private func entry(directory node: UInt64, _ current: CurrentView) -> fuse_entry_param {
        var entry = fuse_entry_param()
        entry.ino = node
        fill(&entry.attr, directory: node, current.time)
        entry.entry_timeout = current.entryTimeout
        return entry
    }

    @inline(__always)
    func add(
        _ listing: inout Listing, _ name: [UInt8], _ record: RowRecord, _ current: CurrentView, _ position: Int64
    ) -> Bool {
        var entry = fuse_entry_param()
        entry.ino = record.node
        fill(&entry.attr, record)
        entry.attr_timeout = FileSystem.forever
        entry.entry_timeout = current.entryTimeout
        return add(&listing, name, &entry, position)
    }

    func add(
        _ listing: inout Listing, _ name: [UInt8], directory node: UInt64, _ current: CurrentView, _ position: Int64
    ) -> Bool {
        var entry = entry(directory: node, current)
        if listing.hasAttributes { entry.attr_timeout = files.directoryTimeout(node, current.source) }
        return add(&listing, name, &entry, position)
    }

    @inline(__always)
    private func add(
        _ listing: inout Listing, _ name: [UInt8], _ entry: inout fuse_entry_param, _ position: Int64
    ) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: name.count + 1, alignment: 1) { bytes in
            bytes.copyBytes(from: name)
            bytes[name.count] = 0
            return bytes.withMemoryRebound(to: CChar.self) { buffer in
                buffer.baseAddress.map { listing.add($0, &entry, position) } ?? false
            }
        }
    }
}
