import Basics
import Index
import Model
import Survey
import Web

/// What the pages show, as JSON: `/-/api/…`. docs/SEMANTICS.md describes it.
struct PageAPI {
    private static let most = 1000

    let context: PageContext
    let query: PageQuery

    private var prefix: [UInt8] { query.bytes("prefix") ?? [] }

    func answer(_ route: String) throws -> WebResponse {
        switch route {
        case "snapshots": try PageAnswer.json(200, snapshots())
        case "list": try PageAnswer.json(200, list())
        case "versions": try PageAnswer.json(200, versions())
        case "du": try PageAnswer.json(200, usage())
        case "changes": try PageAnswer.json(200, changes())
        case "history": try PageAnswer.json(200, history())
        case "find": try PageAnswer.json(200, find())
        default: PageAnswer.json(404, PageError(error: "there is no such call"))
        }
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    private func late() -> IcecoreError {
        IcecoreError(.notFound, "there was no time to look at everything: ask for a smaller prefix")
    }

    private func snapshots() throws -> SnapshotsReply {
        let kept = Set(context.range.stops.map(\.id))
        let records = try context.reader.snapshotRecords().filter { kept.contains($0.id) }
        return SnapshotsReply(
            bucket: context.bucket, first: context.range.first.rfc3339, last: context.range.last.rfc3339,
            instantsSince: context.range.horizon.rfc3339,
            snapshots: records.map {
                SnapshotReply(name: $0.name, takenAt: $0.takenAt.rfc3339, keys: $0.keys, bytes: $0.bytes)
            })
    }

    private func list() throws -> ListReply {
        var query = FolderQuery(prefix: prefix, view: context.view, count: PageAPI.most)
        query.other = context.other
        query.showsDeleted = context.place.showsDeleted
        query.from = self.query.bytes("after") ?? []
        let page = try context.reader.folderPage(query, limit: context.patience)
        let items = try page.items.map { item -> ItemReply in
            let isKnown = item.isFolder && (item.isShown || item.isShownByOther)
            let change = isKnown ? try context.change(below: prefix + item.name) : nil
            let sum = change.map(context.sum)
            let identity = item.identity ?? item.other ?? item.former
            return ItemReply(
                name: text(item.name), isFolder: item.isFolder, isShown: item.isShown,
                size: identity?.size, lastModified: identity?.lastModified.rfc3339,
                versionId: identity?.versionId.map(text), etag: identity?.etag?.known,
                keys: sum?.keys, bytes: sum?.bytes,
                change: context.other == nil ? nil : change.map(ChangeReply.init),
                deletedAt: item.isShown ? nil : item.deletedAt?.rfc3339)
        }
        return ListReply(
            view: ViewReply(context.view), with: context.other.map(ViewReply.init), prefix: text(prefix), items: items,
            next: page.next.map(text))
    }

    private func versions() throws -> VersionsReply {
        let key = query.bytes("key") ?? []
        guard let versions = try context.reader.versions(ofKey: key)?.versions else {
            throw IcecoreError(.notFound, "no synced inventory has listed this key")
        }
        return VersionsReply(
            key: text(key),
            versions: versions.map { version in
                VersionReply(
                    versionId: version.identity.versionId.map(text),
                    lastModified: version.identity.lastModified.rfc3339, size: version.identity.size,
                    etag: version.identity.etag?.known, isLatest: version.isLatest,
                    deleteMarker: version.identity.isMarker,
                    state: version.identity.isMarker ? nil : version.flags.state.rawValue)
            })
    }

    private func usage() throws -> UsageReply {
        guard let sums = try context.sums(below: prefix), let whole = sums.last else { throw late() }
        return UsageReply(
            view: ViewReply(context.view), prefix: text(prefix), keys: whole.sum.keys, bytes: whole.sum.bytes,
            folders: sums.dropLast().map { FolderReply(prefix: text($0.name), keys: $0.sum.keys, bytes: $0.sum.bytes) })
    }

    private func changes() throws -> ChangesReply {
        guard let (old, new) = context.ordered else {
            throw IcecoreError(.usage, "say what to compare with: with=WHEN")
        }
        let (folder, isComplete) = try context.reader.changes(
            below: prefix, from: old, to: new, depth: 3, nodes: PageAPI.most, limit: context.patience)
        return ChangesReply(
            from: ViewReply(old), to: ViewReply(new), isComplete: isComplete, folder: ChangedFolderReply(folder))
    }

    private func history() throws -> HistoryReply {
        guard let history = try context.history(below: prefix, limit: context.patience) else { throw late() }
        return HistoryReply(
            prefix: text(prefix),
            points: history.points.map { point in
                PointReply(
                    time: point.time.rfc3339, keys: point.sum.keys, bytes: point.sum.bytes,
                    arrivedVersions: point.arrived.keys, arrivedBytes: point.arrived.bytes,
                    leftVersions: point.left.keys, leftBytes: point.left.bytes)
            }, changes: history.changes?.map(\.rfc3339))
    }

    private func find() throws -> FindReply {
        let scope: KeyQuery.KeyScope =
            switch query.text("scope").flatMap(SearchView.SearchScope.init) ?? .here {
            case .here: .view(context.view)
            case .ever: .ever
            case .deleted: .deleted
            }
        var asked = KeyQuery(try SearchView.glob(query.bytes("q") ?? []), scope)
        asked.prefix = prefix
        asked.largerThan = query.text("larger").flatMap(SearchView.size)
        var found: [FoundReply] = []
        let isComplete = try context.reader.find(asked, limit: context.patience) { key in
            found.append(
                FoundReply(
                    key: text(key.key), size: key.identity.size, lastModified: key.identity.lastModified.rfc3339,
                    etag: key.identity.etag?.known, versionId: key.identity.versionId.map(text),
                    deleted: key.isDeleted, deletedAt: key.deletedAt?.rfc3339))
            return found.count < PageAPI.most
        }
        return FindReply(found: found, isComplete: isComplete && found.count < PageAPI.most)
    }
}
