import Glibc

extension PackRecord {
    /// The bytes of the record: the content, and what precedes it.
    public var length: Int64 { end - Int64(place) }
}

extension PackFile {
    /// Whether its file has no name any more.
    var isUnlinked: Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && status.st_nlink == 0
    }

    /// The bytes of all records.
    public var recordBytes: Int64 { trailer.directory - Int64(PackFrame.headerLength) }
}

extension PackWriter {
    /// The bytes of a pack's file.
    ///
    /// - Parameters:
    ///   - recordBytes: of all of its records.
    ///   - count: how many those are.
    public static func size(recordBytes: Int64, count: Int) -> Int64 {
        Int64(PackFrame.headerLength) + recordBytes + BlockLayout.directory.length(Int64(count))
            + Int64(PackFrame.trailerLength)
    }
}
