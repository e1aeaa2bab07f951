import Basics
import Model

/// What a listing meets, in the byte order of keys.
public enum Listed {
    /// A key, and the row of the version that the view shows. The row lives until the callback returns.
    case key([UInt8], EntryRow)
    /// A prefix that ends with `/` and has keys below it.
    case prefix([UInt8])
}

extension IndexReader {
    /// Lists what a view shows under a string prefix, as S3 does.
    ///
    /// - Parameters:
    ///   - prefix: any string of bytes; it need not end with `/`.
    ///   - recursive: every key; else one level: keys, and the prefixes of those that have a `/` further on.
    ///   - body: returns false to stop.
    public func list(
        prefix: [UInt8], recursive: Bool, _ view: View, _ body: (Listed) throws -> Bool
    ) throws {
        let split = prefix.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
        guard let directory = try directory(prefix: prefix[..<split]) else { return }
        // One cursor for each directory on the way down. `path` is the prefix of the innermost.
        var path = Array(prefix[..<split])
        let beginning = Array(prefix[split...])
        var cursors = [try cursor()]
        var spare: [EntryCursor] = []
        var lengths = [path.count]
        cursors[0].seek(directory: directory, from: beginning)
        while let cursor = cursors.last {
            guard try cursor.next(), cursors.count > 1 || cursor.row.name.hasPrefix(beginning) else {
                cursor.close()
                spare.append(cursor)
                cursors.removeLast()
                lengths.removeLast()
                path.removeLast(path.count - (lengths.last ?? 0))
                continue
            }
            let row = cursor.row
            guard view.shows(row, timeline) else { continue }
            if !row.isDirectory {
                if try !body(.key(path + Array(row.name), row)) { return }
            } else if recursive {
                path.append(contentsOf: row.name)
                lengths.append(path.count)
                let below = try spare.popLast() ?? self.cursor()
                below.seek(directory: row.child)
                cursors.append(below)
            } else {
                if try !body(.prefix(path + Array(row.name))) { return }
            }
            try Interruption.check()
        }
    }

    /// The version of a key that a view shows, and the slot of its row; nil if it shows none.
    public func version(ofKey key: [UInt8], _ view: View) throws -> (identity: VersionIdentity, flags: EntryRow.Flags)?
    {
        let split = key.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
        guard let directory = try directory(prefix: key[..<split]) else { return nil }
        return try key[split...].withUnsafeBytes { name in
            try find(name, in: directory, view).map { ($0.identity, $0.flags) }
        }
    }
}
