import CFuse3
import Glibc

/// Entries of listings.
extension RequestWorker {
    func entry(directory node: UInt64, _ current: CurrentView) -> fuse_entry_param {
        var entry = fuse_entry_param()
        entry.ino = node
        fill(&entry.attr, directory: node, current.time)
        entry.entry_timeout = current.entryTimeout
        return entry
    }

    /// Adds a file; false where there is no room.
    @inline(__always)
    func add(
        _ listing: inout DirectoryListing, _ name: [UInt8], _ record: RowRecord, _ current: CurrentView,
        _ position: Int64
    ) -> Bool {
        var entry = fuse_entry_param()
        entry.ino = record.node
        entry.generation = record.generation
        fill(&entry.attr, record)
        entry.attr_timeout = FileSystem.forever
        entry.entry_timeout = current.entryTimeout
        return add(&listing, name, &entry, position)
    }

    /// Adds a directory; false where there is no room.
    func add(
        _ listing: inout DirectoryListing, _ name: [UInt8], directory node: UInt64, _ current: CurrentView,
        _ position: Int64
    ) -> Bool {
        var entry = entry(directory: node, current)
        if listing.hasAttributes { entry.attr_timeout = files.directoryTimeout(node, current.source) }
        return add(&listing, name, &entry, position)
    }

    @inline(__always)
    private func add(
        _ listing: inout DirectoryListing, _ name: [UInt8], _ entry: inout fuse_entry_param, _ position: Int64
    ) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: name.count + 1, alignment: 1) { bytes in
            bytes.copyBytes(from: name)
            bytes[name.count] = 0
            return bytes.withMemoryRebound(to: CChar.self) { buffer in
                buffer.baseAddress.map { listing.add($0, &entry, position) } ?? false
            }
        }
    }
}
