import Index
import Model
import SQLite

/// The directories on the way down to where a walk over the whole index stands, each with a cursor over what the index has
/// there. Frames are used again, the one whose cursor stands before the next directory first.
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

    /// The name of the root's own rows, which stand in directory 0, where there is nothing else.
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

    /// Goes down into a directory that the index has.
    package mutating func push(_ child: MergeFrame.Child, name: some Collection<UInt8>) throws {
        let frame = try take(child.directory)
        frame.begin(
            directory: child.directory, isStored: true, prefixLength: path.count + name.count, nameOffset: path.count,
            stored: child.rows)
        path.append(contentsOf: name)
        frame.hasRow = try frame.cursor.enter(child.directory)
        frames.append(frame)
    }

    /// Goes down into a directory that the index has not.
    package mutating func pushNew(_ directory: Int64, name: some Collection<UInt8>) throws {
        let frame = try take(directory)
        frame.begin(
            directory: directory, isStored: false, prefixLength: path.count + name.count, nameOffset: path.count,
            stored: [])
        path.append(contentsOf: name)
        frames.append(frame)
    }

    /// Takes the innermost frame off, while ``path`` is still its prefix: ``recycle(_:)`` ends that.
    package mutating func pop() -> MergeFrame {
        frames.removeLast()
    }

    /// Ends what ``pop()`` began: the frame may be used again.
    package mutating func recycle(_ frame: MergeFrame) {
        path.removeLast(path.count - frame.nameOffset)
        spare.append(frame)
    }

    /// A frame that is not in use, the one whose cursor stands before the directory already if there is one.
    private mutating func take(_ directory: Int64) throws -> MergeFrame {
        // It is one of the last: those are of the directories just left.
        for place in spare.indices.suffix(4).reversed() where spare[place].cursor.ahead == directory {
            return spare.remove(at: place)
        }
        return try spare.popLast() ?? MergeFrame(cursor: WalkCursor(reader.connection))
    }
}
