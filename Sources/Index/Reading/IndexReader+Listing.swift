import Basics
import Model

/// An item of a listing, in the byte order of keys.
public enum Listed {
    /// A key, and the row of the version that the view shows. The row is valid until the callback returns.
    case key([UInt8], EntryRow)
    /// A prefix that ends with `/` and has keys below it.
    case prefix([UInt8])
}

extension IndexReader {
    /// Lists what a view shows under a string prefix, as S3 does.
    ///
    /// - Parameters:
    ///   - prefix: any string of bytes; it need not end with `/`.
    ///   - recursive: every key; otherwise one level: keys, and the prefixes of keys that have a further `/`.
    ///   - body: returns false to stop.
    public func list(
        prefix: [UInt8], recursive: Bool, _ view: View, _ body: (Listed) throws -> Bool
    ) throws {
        let (parent, beginning) = Key.split(prefix)
        guard let directory = try directory(prefix: parent) else { return }
        let walk = try TreeWalk(self, directory, path: Array(parent), beginning: Array(beginning))
        while let step = try walk.next() {
            guard step == .row else { continue }
            let row = walk.row
            guard view.shows(row, timeline) else { continue }
            if !row.isDirectory {
                if try !body(.key(walk.path + Array(row.name), row)) { return }
            } else if recursive {
                try walk.descend()
            } else {
                if try !body(.prefix(walk.path + Array(row.name))) { return }
            }
            try Interruption.check()
        }
    }

    /// The version of a key that a view shows, and the slot of its row; nil if it shows none.
    public func version(ofKey key: [UInt8], _ view: View) throws -> (identity: VersionIdentity, flags: EntryRow.Flags)?
    {
        let (parent, name) = Key.split(key)
        guard let directory = try directory(prefix: parent) else { return nil }
        return try name.withUnsafeBytes { name in
            try find(name, in: directory, view).map { ($0.identity, $0.flags) }
        }
    }
}
