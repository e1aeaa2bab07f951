/// A list file whose rows are stored by column, in groups that can be decoded apart from each other: Parquet's row
/// groups, ORC's stripes.
///
/// Everything in it is untrusted. Whoever opens one names the columns that are wanted, and of what kind they have to be;
/// a file that has them otherwise is refused by name.
protocol ColumnarFile: AnyObject {
    /// For each column that was wanted, in that order: whether the file has it.
    var hasColumn: [Bool] { get }
    /// How many groups there are.
    var groupCount: Int { get }
    /// How many rows a group has, as the file's footer says; its decoder has to hold to it.
    func rowCount(ofGroup index: Int) -> Int
    /// A decoder for one group. Decoders of several groups may be used by several threads at once, each by one.
    func group(_ index: Int) throws -> any ColumnarGroup
}

/// The rows of one group, a few thousand at a time. Holds no more than a page or a compressed block a column, and the
/// dictionaries.
protocol ColumnarGroup: AnyObject {
    /// Decodes the next rows, at most ``ColumnVector/capacity``, of every wanted column.
    ///
    /// - Parameter columns: one for each column that was wanted, in that order; those that the file does not have are
    ///   left alone.
    /// - Returns: how many rows there are now; 0 at the end.
    /// - Throws: ``ColumnarDamage``, which says nothing of the file: whoever reads it does.
    func next(into columns: [ColumnVector]) throws -> Int
}

/// A column that is wanted of a columnar file: its name there, and what it has to hold.
struct WantedColumn {
    enum Kind {
        case text, integer, boolean, time
    }

    /// In the file's own spelling, compared without regard to case and underscores.
    let name: String
    let kind: Kind

    /// Whether a column of that name is the one.
    func isNamed(_ name: some Sequence<UInt8>) -> Bool {
        WantedColumn.plain(self.name.utf8) == WantedColumn.plain(name)
    }

    /// A column's name without what spellings of it differ in.
    static func plain(_ name: some Sequence<UInt8>) -> [UInt8] {
        name.compactMap { byte in
            switch byte {
            case UInt8(ascii: "_"): nil
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte | 0x20
            default: byte
            }
        }
    }
}

/// What is wrong in a columnar file: half a sentence that follows the name of the file.
struct ColumnarDamage: Error {
    /// Such as `has a page of 7 bytes in column 'key' of row group 3 that …`.
    let problem: String
    /// The file is as it should be, but Icecore does not read such: a compression, an encoding, a type.
    var isUnsupported = false
}
