/// A stream of rows in key order (bytes ascending), all rows of one key adjacent.
///
/// Rows of one key are in no particular order; exact duplicates may occur. Damage to the inventory, such as a wrong
/// checksum at the very end, is thrown by `next()`: no row is valid before `next()` has returned nil.
public protocol SortedRows: AnyObject {
    /// The next batch, or nil after the last; the batch returned before becomes invalid.
    func next() throws -> RowBatch?
}
