import Basics

/// The list files of an inventory are not sorted by key, or too many of them overlap: start again with
/// ``SortedInventory/Options/sortExternally``.
public struct UnsortedInventory: Error, CustomStringConvertible {
    /// The list file's key, and the line (from 1) whose key sorts before the previous one; nil if files overlap.
    public let file: String?
    public let line: UInt32

    public var description: String {
        guard let file else { return "too many list files of the inventory overlap to be merged directly" }
        return "list file '\(Display.escaped(file))' is not sorted by key: line \(line) belongs before the one above it"
    }
}
