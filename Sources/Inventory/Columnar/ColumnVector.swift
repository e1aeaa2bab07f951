/// One column of a few thousand rows, decoded: what readers of columnar formats hand on, whatever the format.
///
/// A text's bytes lie where the decoder has them, in a page, a dictionary or a stripe's stream, and are valid until the
/// group is asked for its next rows.
final class ColumnVector {
    /// The most rows that are decoded at once.
    static let capacity = 4096

    /// Integers, booleans (0 and 1) and times (milliseconds since 1970); of texts, not used.
    var numbers = ContiguousArray<Int64>(repeating: 0, count: ColumnVector.capacity)
    /// Where each text begins, and its length; of other columns, not used.
    var texts = ContiguousArray<ByteSlice>()
    /// Whether a row has no value; only looked at where `hasNulls`.
    var isNull = ContiguousArray<Bool>(repeating: false, count: ColumnVector.capacity)
    var hasNulls = false
}
