import Glibc

extension RowBatch {
    @inline(__always)
    func key(at index: Int) -> ByteSlice {
        let start = bytes.assumingMemoryBound(to: UInt8.self)
        return rows.withUnsafeBufferPointer { rows in
            ByteSlice(start: start + Int(rows[index].keyOffset), count: Int(rows[index].keyLength))
        }
    }

    /// Copies rows of another batch and their bytes.
    func append(_ other: RowBatch, _ range: Range<Int>) {
        other.rows.withUnsafeBufferPointer { source in
            for index in range { append(source[index], bytes: other.bytes) }
        }
    }

    /// Copies one row and its bytes, which are adjacent: key, version id, ETag.
    @inline(__always)
    func append(_ row: InventoryRow, bytes source: UnsafeMutableRawPointer) {
        let length = row.byteCount
        reserve(length)
        memcpy(bytes + used, source + Int(row.keyOffset), length)
        var row = row
        row.keyOffset = UInt32(truncatingIfNeeded: used)
        row.versionOffset = row.keyOffset &+ row.keyLength
        row.etagOffset = row.versionOffset &+ row.versionLength
        rows.append(row)
        used += length
    }
}

extension InventoryRow {
    /// The length of key, version id and verbatim ETag, which the parser puts one after the other.
    @inline(__always)
    var byteCount: Int {
        Int(keyLength) + Int(versionLength) + Int(etagLength)
    }
}
