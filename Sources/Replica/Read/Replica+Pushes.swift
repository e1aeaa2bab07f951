import Basics
import Store

/// A push that can be opened.
public struct ListedPush: Sendable {
    /// `<time>-<random>`.
    public var name: String
    public var sequence: Int
    /// RFC 3339.
    public var pushedAt: String
    public var pushedBy: String
    /// How many of the store's snapshots it has, and the name of the newest.
    public var snapshots: Int
    public var newest: String?
    /// It is the newest.
    public var isLatest: Bool

    fileprivate init(_ push: EarlierPush, isLatest: Bool) {
        name = String(push.path.dropFirst("snapshots/".utf8.count))
        sequence = push.sequence
        pushedAt = Display.text(push.pushedAt, limit: 40)
        pushedBy = Display.text(push.pushedBy, limit: 100)
        snapshots = push.snapshots
        newest = push.newest.map { Display.text($0, limit: 100) }
        self.isLatest = isLatest
    }
}

extension Replica.Head {
    /// The newest push as later ones will call it.
    var summary: EarlierPush {
        EarlierPush(
            path: metadata.path, metadataSHA256: latest.metadataSHA256, sequence: latest.sequence,
            pushedAt: latest.pushedAt, pushedBy: latest.pushedBy, snapshots: metadata.snapshots.count,
            newest: metadata.snapshots.last?.name)
    }
}

extension Replica {
    /// The pushes that can be opened, oldest first.
    public func pushes() throws -> [ListedPush] {
        let head = try existingHead()
        let known = Dictionary((head.metadata.earlier ?? []).map { ($0.path, $0) }) { first, _ in first }
        var pushes: [ListedPush] = []
        for path in head.metadata.history {
            try Interruption.check()
            // Its metadata goes before the files that others share.
            if let push = try known[path] ?? unsignedHead(path)?.summary {
                pushes.append(ListedPush(push, isLatest: false))
            }
        }
        return pushes + [ListedPush(head.summary, isLatest: true)]
    }

    /// An earlier push by its name or its number.
    func earlier(_ push: String, _ head: Head) throws -> Head {
        let path = push.hasPrefix("snapshots/") ? push : "snapshots/\(push)"
        if path == head.metadata.path || push == String(head.latest.sequence) { return head }
        let known = head.metadata.earlier ?? []
        if let summary = known.first(where: { $0.path == path || String($0.sequence) == push }),
            head.metadata.history.contains(summary.path)
        {
            guard let found = try unsignedHead(summary.path) else { throw gone(push) }
            guard found.latest.metadataSHA256 == summary.metadataSHA256 else {
                throw IcecoreError(
                    .damaged,
                    "\(place("\(summary.path)/\(ReplicaFormat.metadataName)")) is damaged: its SHA-256 is not "
                        + "what the newest push says")
            }
            return found
        }
        for other in head.metadata.history where other == path || Int(push) != nil {
            if let found = try unsignedHead(other), other == path || String(found.latest.sequence) == push {
                return found
            }
        }
        throw gone(push)
    }

    private func gone(_ push: String) -> IcecoreError {
        IcecoreError(
            .notFound,
            "the replica at \(url) has no push '\(Display.text(push, limit: 100))', or no longer: 'icecore snapshots "
                + "--replica \(url) --pushes' lists them")
    }

    /// The metadata in the directory of a snapshot; nil if it is not there any more. Nothing tells whether it is what was
    /// written.
    private func unsignedHead(_ path: String) throws -> Head? {
        let file = "\(path)/\(ReplicaFormat.metadataName)"
        guard let bytes = try storage.read(file, limit: ReplicaFormat.documentLimit)?.bytes else { return nil }
        let metadata = try ReplicaFormat.decode(ReplicaMetadata.self, bytes, place(file))
        try metadata.check(place(file))
        guard metadata.storeId == marker?.storeId, metadata.path == path else {
            throw IcecoreError(.damaged, "\(place(file)) does not belong to this replica")
        }
        let latest = ReplicaLatest(
            format: metadata.format, storeId: metadata.storeId, sequence: metadata.sequence, snapshot: path,
            metadataSHA256: Hex.encode(SHA256.digest(bytes)), pushedAt: Display.text(metadata.pushedAt, limit: 40),
            pushedBy: Display.text(metadata.pushedBy, limit: 100))
        return Head(latest: latest, tag: "", metadata: metadata)
    }
}
