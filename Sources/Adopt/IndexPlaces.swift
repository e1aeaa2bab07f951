import Index
import Model

/// Where the directories of the tree are in the index: those on the way to the one that the walk is in.
struct IndexPlaces {
    /// A directory of the tree, as the index sees it.
    struct IndexPlace {
        let source: SourceDirectory
        /// Of the keys of its files, up to the last `/`.
        let prefix: [UInt8]
        /// What the names of its files begin with in the index: the rest of the given prefix.
        let beginning: [UInt8]
        /// The directory of the prefix; nil if the index has no such key.
        let directory: Int64?
    }

    private var places: [IndexPlace] = []
    private let prefix: [UInt8]
    private let reader: IndexReader

    /// - Parameter prefix: of the tree's keys.
    init(_ reader: IndexReader, prefix: [UInt8]) {
        self.reader = reader
        self.prefix = prefix
    }

    /// Enters a directory: below the last one, or below one on the way to it.
    mutating func enter(_ source: SourceDirectory) throws {
        while let last = places.last, !source.path.starts(with: last.source.path) { places.removeLast() }
        let (parent, beginning) = Key.split(prefix + source.path)
        places.append(
            IndexPlace(
                source: source, prefix: Array(parent), beginning: Array(beginning),
                directory: try reader.directory(prefix: parent)))
    }

    /// The place of a directory that was entered.
    mutating func place(of source: SourceDirectory) -> IndexPlace? {
        while let last = places.last, last.source !== source { places.removeLast() }
        return places.last
    }
}
