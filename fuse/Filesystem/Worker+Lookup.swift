import Basics
import CFuse3
import Glibc
import Index
import Model

extension Worker {
    func lookup(_ request: Request, _ parent: UInt64, _ cName: UnsafePointer<CChar>) throws {
        guard let node = Node(parent, hasHistory: files.hasHistory) else { return fail(request, ENOENT) }
        let name = Array(UnsafeRawBufferPointer(start: cName, count: strlen(cName)))
        if name.count > Naming.limit { return fail(request, ENAMETOOLONG) }
        switch node {
        case .directory(let directory, ViewTable.versions):
            try lookupVersions(request, in: directory, name)
        case .directory(let directory, let number):
            guard let current = try view(number) else { return fail(request, ESTALE) }
            try lookup(request, in: directory, name, current)
        case .key(let directory, let slot):
            try lookupVersion(request, ofRow: slot, in: directory, name)
        case .top: try lookupTop(request, name)
        case .at: try lookupAt(request, name)
        case .row, .readme: fail(request, ENOTDIR)
        }
    }

    // MARK: In a view

    private func lookup(_ request: Request, in directory: Int64, _ name: [UInt8], _ current: CurrentView) throws {
        guard let meaning = Naming.meaning(name) else { return replyNone(request, current.entryTimeout) }
        if meaning == .object {
            if let record = try twin(of: directory, current.view) {
                return reply(request, record, current.entryTimeout)
            }
            return replyNone(request, current.entryTimeout)
        }
        guard let component = try component(meaning, in: directory, name, Naming.fileName) else {
            return replyNone(request, current.entryTimeout)
        }
        guard try scan.find(component, in: directory, current.view) else {
            return replyNone(request, current.entryTimeout)
        }
        if scan.child == 0 {
            guard let record = scan.record else { return fail(request, EOVERFLOW) }
            component.withUnsafeBytes { files.rows.insert(record, name: $0) }
            files.habits.withLock { $0.lookUp(fuse_req_ctx(request).pointee.pid) }
            reply(request, record, current.entryTimeout)
        } else {
            guard let node = Node.directory(scan.child, current.number) else { return fail(request, EOVERFLOW) }
            reply(request, directory: node, current)
        }
    }

    // MARK: Around the views

    private func lookupTop(_ request: Request, _ name: [UInt8]) throws {
        guard let versions = try view(ViewTable.versions), let latest = try view(ViewTable.own) else {
            return fail(request, ESTALE)
        }
        switch String(decoding: name, as: UTF8.self) {
        case "README.txt":
            var entry = fuse_entry_param()
            entry.ino = Node.readmeId
            fillReadme(&entry.attr, versions.time)
            entry.attr_timeout = FileSystem.forever
            entry.entry_timeout = FileSystem.forever
            fuse_reply_entry(request, &entry)
        case "at": reply(request, directory: Node.atId, versions)
        case "latest":
            guard let node = Node.directory(IndexReader.root, ViewTable.own) else { return fail(request, EOVERFLOW) }
            reply(request, directory: node, latest)
        case "versions":
            guard let node = Node.directory(IndexReader.root, ViewTable.versions) else {
                return fail(request, EOVERFLOW)
            }
            reply(request, directory: node, versions)
        default: replyNone(request, FileSystem.forever)
        }
    }

    /// `at/WHEN`: what cannot be resolved is not there.
    private func lookupAt(_ request: Request, _ bytes: [UInt8]) throws {
        guard let versions = try view(ViewTable.versions) else { return fail(request, ESTALE) }
        let name = String(decoding: bytes, as: UTF8.self)
        var timeout = versions.entryTimeout
        var number: UInt32?
        if let point = reader.timeline.kept.first(where: { $0.name == name }) {
            number = ViewTable.number(ofSnapshot: point.id)
        } else if let when = try? When(name) {
            var source: ViewSource?
            switch when {
            case .latest: source = .latest
            case .age:
                timeout = min(timeout, FileSystem.ageTimeout)
                source = (try? reader.view(when)).map(ViewSource.init)
            default: source = (try? reader.view(when)).map(ViewSource.init)
            }
            number = source.map { files.views.number(of: name, $0) }
        }
        guard let number, var current = try view(number), let node = Node.directory(IndexReader.root, number) else {
            return replyNone(request, timeout)
        }
        // A date that is an instant today is a snapshot once one of that day was synced.
        current.entryTimeout = timeout
        reply(request, directory: node, current)
    }

    // MARK: Replies

    func replyNone(_ request: Request, _ timeout: Double) {
        var entry = fuse_entry_param()
        entry.entry_timeout = timeout
        fuse_reply_entry(request, &entry)
    }

    func reply(_ request: Request, _ record: borrowing RowRecord, _ timeout: Double) {
        var entry = fuse_entry_param()
        entry.ino = record.node
        fill(&entry.attr, record)
        entry.attr_timeout = FileSystem.forever
        entry.entry_timeout = timeout
        fuse_reply_entry(request, &entry)
    }

    func reply(_ request: Request, directory node: UInt64, _ current: CurrentView) {
        var entry = fuse_entry_param()
        entry.ino = node
        fill(&entry.attr, directory: node, current.time)
        entry.attr_timeout = files.directoryTimeout(node, current.source)
        entry.entry_timeout = current.entryTimeout
        fuse_reply_entry(request, &entry)
    }
}
