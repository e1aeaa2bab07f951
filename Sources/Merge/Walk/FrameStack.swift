import Index
import Model
import SQLite

/// The directories on the path to the current position of a walk over the whole index, each with a cursor over its
/// rows. Frames are reused, preferably one whose cursor has reached the next directory.
package struct FrameStack {
    /// The prefix of keys of the innermost directory, with its `/`.
    package var path: [UInt8] = []
    /// Outermost first.
    package private(set) var frames: [MergeFrame] = []
    private var spare: [MergeFrame] = []
    private let reader: IndexReader

    package init(_ reader: IndexReader) {
        self.reader = reader
    }

    /// The name of the root's own rows, which are in directory 0, where there is nothing else.
    package nonisolated(unsafe) static let rootName: UnsafeRawBufferPointer = {
        let byte = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)
        byte[0] = UInt8(ascii: "/")
        return UnsafeRawBufferPointer(byte)
    }()

    @inline(__always)
    package var count: Int { frames.count }
    @inline(__always)
    package var innermost: MergeFrame { frames[frames.count - 1] }

    /// Begins at the root.
    package mutating func openRoot() throws {
        let frame = try take(IndexReader.root)
        frame.begin(directory: IndexReader.root, isStored: true, prefixLength: 0, nameOffset: 0, stored: [])
        try reader.rows(FrameStack.rootName, in: 0) { row in frame.stored.append(StoredTenure(row)) }
        frame.hasRow = try frame.cursor.enter(IndexReader.root)
        frames.append(frame)
    }

    /// Descends into a directory that the index has.
    package mutating func push(_ child: MergeFrame.Child, name: some Collection<UInt8>) throws {
        try reader.expectBelow(innermost.directory, child.directory)
        let frame = try take(child.directory)
        frame.begin(
            directory: child.directory, isStored: true, prefixLength: path.count + name.count, nameOffset: path.count,
            stored: child.rows)
        path.append(contentsOf: name)
        frame.hasRow = try frame.cursor.enter(child.directory)
        frames.append(frame)
    }

    /// Descends into a directory that the index does not have.
    package mutating func pushNew(_ directory: Int64, name: some Collection<UInt8>) throws {
        let frame = try take(directory)
        frame.begin(
            directory: directory, isStored: false, prefixLength: path.count + name.count, nameOffset: path.count,
            stored: [])
        path.append(contentsOf: name)
        frames.append(frame)
    }

    /// Pops the innermost frame, leaving ``path`` as its prefix until ``recycle(_:)``.
    package mutating func pop() -> MergeFrame {
        frames.removeLast()
    }

    /// Completes ``pop()``: the frame may be reused.
    package mutating func recycle(_ frame: MergeFrame) {
        path.removeLast(path.count - frame.nameOffset)
        spare.append(frame)
    }

    /// An unused frame, if possible one whose cursor has already reached the directory.
    private mutating func take(_ directory: Int64) throws -> MergeFrame {
        // It is among the last, which belong to the directories just left.
        for place in spare.indices.suffix(4).reversed() where spare[place].cursor.ahead == directory {
            return spare.remove(at: place)
        }
        return try spare.popLast() ?? MergeFrame(cursor: WalkCursor(reader.connection))
    }
}
