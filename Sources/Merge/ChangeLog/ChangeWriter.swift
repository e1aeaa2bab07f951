import Basics
import Index

/// Writes changes into buffers and passes on full ones.
package final class ChangeWriter {
    private let sink: ChangeSink
    private var buffer = ChangeBuffer()
    private nonisolated(unsafe) static let nothing = UnsafeRawBufferPointer(start: nil, count: 0)

    package init(_ sink: ChangeSink) {
        self.sink = sink
    }

    /// Passes on a full buffer. Called between changes of different versions, so that no step is long.
    @inline(__always)
    package func flushIfFull() throws {
        if buffer.isFull { buffer = try sink.take(buffer) }
    }

    /// Passes on what is left.
    package func flush() throws {
        if buffer.used > 0 { buffer = try sink.take(buffer) }
    }

    package func directory(_ id: Int64, parent: Int64, slots: Int64, name: UnsafeRawBufferPointer) {
        var header = ChangeBuffer.Header(.directory)
        header.directory = id
        header.child = parent
        header.slot = slots
        append(header, name)
    }

    package func slots(_ directory: Int64, _ count: Int64) {
        var header = ChangeBuffer.Header(.slots)
        header.directory = directory
        header.slot = count
        append(header, ChangeWriter.nothing)
    }

    /// Inserts or replaces a row: `tenure` holds what differs between tenures, `row` the rest.
    ///
    /// - Parameters:
    ///   - isNew: the row does not exist yet.
    ///   - prefix: of the key, if something has to be checked.
    @inline(__always)
    package func put(
        _ tenure: StoredTenure, _ row: EntryRow, in directory: Int64, isNew: Bool, prefix: [UInt8] = [],
        checks: ChangeChecks = []
    ) {
        var header = ChangeBuffer.Header(isNew ? .insert : .put)
        header.checks = checks
        header.directory = directory
        header.slot = tenure.slot
        header.flags = tenure.flags.rawValue
        header.validFrom = tenure.valid.from
        header.validTo = tenure.valid.to
        header.seenFrom = tenure.seenFrom
        header.seenTo = tenure.seenTo
        header.listedFrom = tenure.listedFrom
        header.listedTo = tenure.listedTo
        header.child = row.child
        header.headers = tenure.headers
        header.size = row.size
        header.lastModified = row.lastModified.milliseconds
        header.versionIsUnknown = row.versionIsUnknown
        header.etagIsText = row.etagIsText
        header.keyLength = UInt32(prefix.count + row.name.count)
        header.nameLength = UInt32(row.name.count)
        header.versionLength = UInt32(row.versionId.count)
        header.etagLength = UInt32(row.etag.count)
        if prefix.isEmpty {
            buffer.append(header, ChangeWriter.nothing, row.name, row.versionId, row.etag)
        } else {
            prefix.withUnsafeBytes { buffer.append(header, $0, row.name, row.versionId, row.etag) }
        }
    }

    package func delete(slot: Int64, name: UnsafeRawBufferPointer, in directory: Int64) {
        var header = ChangeBuffer.Header(.delete)
        header.directory = directory
        header.slot = slot
        append(header, name)
    }

    package func longName(_ name: UnsafeRawBufferPointer, in directory: Int64) {
        var header = ChangeBuffer.Header(.longName)
        header.directory = directory
        header.keyLength = UInt32(name.count)
        header.nameLength = UInt32(name.count)
        header.etagLength = 32
        SHA256.digest(Array(name)).withUnsafeBytes { digest in
            buffer.append(header, ChangeWriter.nothing, name, ChangeWriter.nothing, digest)
        }
    }

    private func append(_ header: ChangeBuffer.Header, _ name: UnsafeRawBufferPointer) {
        var header = header
        header.keyLength = UInt32(name.count)
        header.nameLength = UInt32(name.count)
        buffer.append(header, ChangeWriter.nothing, name, ChangeWriter.nothing, ChangeWriter.nothing)
    }
}
