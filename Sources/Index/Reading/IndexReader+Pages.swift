import Basics
import Model

/// Where a page of a listing begins, and which of S3's rules it follows.
public struct PageBounds: Sendable {
    /// Any string of bytes; it need not end with `/`.
    public var prefix: [UInt8]
    /// Keys that have this after the prefix are rolled up to the end of it; empty: none are.
    public var delimiter: [UInt8]
    /// The page begins with the first key, or rolled up prefix, that is not before this.
    public var start: [UInt8]

    /// Bounds of the first page.
    public init(prefix: [UInt8] = [], delimiter: [UInt8] = []) {
        self.prefix = prefix
        self.delimiter = delimiter
        start = []
    }

    /// Has the page begin after a key or a rolled up prefix. After a key that would be rolled up comes what follows all
    /// others that would be rolled up with it.
    ///
    /// - Returns: false if nothing can come after it.
    public mutating func begin(after marker: [UInt8]) -> Bool {
        if let rolled = rolledUp(marker) {
            guard let next = PageBounds.successor(rolled) else { return false }
            start = next
        } else {
            start = marker + [0]
        }
        return true
    }

    /// What a key is rolled up to; nil if it is listed.
    func rolledUp(_ key: [UInt8]) -> [UInt8]? {
        guard !delimiter.isEmpty, key.count >= prefix.count + delimiter.count, key.starts(with: prefix) else {
            return nil
        }
        var place = prefix.count
        while place + delimiter.count <= key.count {
            if key[place] == delimiter[0], key[place..<place + delimiter.count].elementsEqual(delimiter) {
                return Array(key[..<(place + delimiter.count)])
            }
            place += 1
        }
        return nil
    }

    /// The first string of bytes after all that begin so; nil if there is none.
    static func successor(_ prefix: [UInt8]) -> [UInt8]? {
        var next = prefix
        while let last = next.popLast() {
            if last < 255 { return next + [last + 1] }
        }
        return nil
    }

    /// Where the rows begin; nil if nothing can be in the page.
    fileprivate var from: [UInt8]? {
        if start.starts(with: prefix) { return start }
        return start.lexicographicallyPrecedes(prefix) ? prefix : nil
    }
}

/// An item of a listing of versions, in the byte order of keys.
public enum ListedVersions {
    /// A key, and all its versions, newest first.
    case key([UInt8], KeyVersions)
    case prefix([UInt8])
}

extension IndexReader {
    /// Lists what a view shows from a position on, as S3 does. It begins with a look-up, wherever that is, and skips what is
    /// rolled up.
    ///
    /// - Parameter body: returns false to stop.
    public func list(_ bounds: PageBounds, _ view: View, _ body: (Listed) throws -> Bool) throws {
        let isByDirectory = bounds.delimiter == [UInt8(ascii: "/")]
        try walk(bounds) { walk, rolled in
            let row = walk.row
            guard view.shows(row, timeline) else { return .next }
            if row.isDirectory {
                guard isByDirectory else { return .descend }
                return try body(.prefix(walk.path + Array(row.name))) ? .next : .stop
            }
            let key = walk.path + Array(row.name)
            if let prefix = rolled(key) { return try body(.prefix(prefix)) ? .skip(prefix) : .stop }
            return try body(.key(key, row)) ? .next : .stop
        }
    }

    /// The same for all versions of every key.
    ///
    /// - Parameter body: returns false to stop.
    public func listVersions(_ bounds: PageBounds, _ body: (ListedVersions) throws -> Bool) throws {
        let isByDirectory = bounds.delimiter == [UInt8(ascii: "/")]
        // A name can have several rows.
        var last: [UInt8] = []
        var isFirst = true
        try walk(bounds) { walk, rolled in
            let row = walk.row
            if row.isDirectory, !isByDirectory { return walk.hasVisitedDirectory ? .next : .descend }
            let key = walk.path + Array(row.name)
            if !isFirst, key == last { return .next }
            (last, isFirst) = (key, false)
            if row.isDirectory { return try body(.prefix(key)) ? .next : .stop }
            if let prefix = rolled(key) { return try body(.prefix(prefix)) ? .skip(prefix) : .stop }
            guard let versions = try versions(ofName: row.name, in: walk.directory) else { return .next }
            return try body(.key(key, versions)) ? .next : .stop
        }
    }

    private enum PageStep {
        case next
        case descend
        /// Beyond everything that begins so.
        case skip([UInt8])
        case stop
    }

    /// Walks over rows from where the bounds begin. What the callback gets beside the walk tells what a key is rolled up to.
    private func walk(_ bounds: PageBounds, _ body: (TreeWalk, ([UInt8]) -> [UInt8]?) throws -> PageStep) throws {
        let (parent, beginning) = Key.split(bounds.prefix)
        guard var from = bounds.from, let directory = try directory(prefix: parent) else { return }
        let rolled: ([UInt8]) -> [UInt8]? = { bounds.rolledUp($0) }
        while true {
            let walk = try TreeWalk(
                self, directory, path: Array(parent), beginning: Array(beginning), from: Array(from[parent.count...]))
            var skipped: [UInt8]?
            rows: while let stop = try walk.next() {
                guard stop == .row else { continue }
                switch try body(walk, rolled) {
                case .next: break
                case .descend: try walk.descend()
                case .skip(let prefix):
                    skipped = prefix
                    break rows
                case .stop: return
                }
            }
            guard let skipped, let next = PageBounds.successor(skipped), next.starts(with: bounds.prefix) else {
                return
            }
            from = next
        }
    }
}

extension IndexReader {
    /// The version of a key that counts in a view, which may be a delete marker; nil if there is none.
    public func current(_ key: [UInt8], _ view: View) throws -> KeyVersions.Entry? {
        let (parent, name) = Key.split(key)
        guard let directory = try directory(prefix: parent) else { return nil }
        var found: KeyVersions.Entry?
        try name.withUnsafeBytes { name in
            try rows(name, in: directory) { row in
                guard found == nil, !row.isDirectory, view.selects(row, timeline) else { return }
                found = KeyVersions.Entry(
                    identity: row.identity, flags: row.flags, isLatest: row.seenFrom != 0 && row.seenTo == 0,
                    slot: row.slot, headers: row.headers)
            }
        }
        return found
    }
}
