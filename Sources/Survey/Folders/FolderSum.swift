import Basics

/// Keys and their sizes.
public struct FolderSum: Sendable, Hashable {
    public var keys: Int64 = 0
    /// The sum of what a view says of their sizes.
    public var bytes: Int64 = 0

    public init(keys: Int64 = 0, bytes: Int64 = 0) {
        self.keys = keys
        self.bytes = bytes
    }

    /// Counts a key.
    @inline(__always)
    mutating func add(_ size: Int64) {
        keys += 1
        bytes = bytes.addingClamped(size)
    }

    public mutating func add(_ other: FolderSum) {
        keys = keys.addingClamped(other.keys)
        bytes = bytes.addingClamped(other.bytes)
    }

    /// Sizes come from strangers: nothing here overflows.
    mutating func subtract(_ other: FolderSum) {
        keys = keys.addingClamped(-max(other.keys, -.max))
        bytes = bytes.addingClamped(-max(other.bytes, -.max))
    }
}
