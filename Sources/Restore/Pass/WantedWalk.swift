import Basics
import Index
import Model

/// The objects that a view shows under a prefix, one after the other, in the byte order of keys.
final class WantedWalk {
    private let reader: IndexReader
    private let view: View
    private let walk: TreeWalk?

    /// - Parameter prefix: any start of keys.
    init(_ reader: IndexReader, _ view: View, prefix: [UInt8]) throws {
        self.reader = reader
        self.view = view
        let (parent, beginning) = Key.split(prefix)
        walk = try reader.directory(prefix: parent).map {
            try TreeWalk(reader, $0, path: Array(parent), beginning: Array(beginning))
        }
    }

    /// The next one; nil after the last.
    func next() throws -> WantedObject? {
        guard let walk else { return nil }
        while let stop = try walk.next() {
            guard stop == .row else { continue }
            let row = walk.row
            guard view.shows(row, reader.timeline) else { continue }
            if row.isDirectory {
                try walk.descend()
                try Interruption.check()
            } else if let object = try object(row, walk.path) {
                return object
            }
        }
        return nil
    }

    private func object(_ row: EntryRow, _ path: [UInt8]) throws -> WantedObject? {
        guard let etag = row.etagValue, let filed = row.contentETag(prefix: path) else { return nil }
        let key = path + Array(row.name)
        return WantedObject(
            key: key, versionId: row.versionIsUnknown ? [] : Array(row.versionId), etag: etag, contentETag: filed,
            size: row.size, lastModified: row.lastModified, headers: try reader.headers(of: row, key: key),
            flags: row.flags, isListed: row.listedFrom != 0 && row.listedTo == 0,
            isLatest: row.seenFrom != 0 && row.seenTo == 0)
    }
}
