import Index
import Model

extension RequestWorker {
    /// The record of a file's row; nil if the index has no such row. Its name in the index comes into `name`.
    func record(_ node: UInt64, directory: Int64, slot: Int64) throws -> RowRecord? {
        if let known = files.rows.find(node, name: &name) { return known }
        return try nodes.row(slot: slot, in: directory) { row -> RowRecord? in
            if row.isDirectory { return nil }
            let record = RowRecord(row, node: node)
            files.rows.insert(record, name: row.name)
            name.removeAll(keepingCapacity: true)
            name.append(contentsOf: row.name)
            return record
        } ?? nil
    }

    /// Gives the row of a file to `body`, with all its columns; nil if the index has no such row.
    func withRow<Result>(
        _ node: UInt64, directory: Int64, slot: Int64, _ body: (borrowing EntryRow) throws -> Result
    ) throws -> Result? {
        guard try record(node, directory: directory, slot: slot) != nil else { return nil }
        var result: Result?
        try name.withUnsafeBytes { bytes in
            try reader.rows(bytes, in: directory) { row in
                if row.slot == slot { result = try body(row) }
            }
        }
        return result
    }

    /// The component that a name in a directory stands for; nil for the hash of one that the index does not have.
    func component(
        _ meaning: Naming.Meaning, in directory: Int64, _ name: [UInt8], _ encode: ([UInt8]) -> [UInt8]
    ) throws -> [UInt8]? {
        switch meaning {
        case .component(let component): return component
        case .object: return nil
        case .long(let sha256):
            // The table may also hold components that have another name here.
            guard let component = try reader.longName(sha256: sha256, in: directory), encode(component) == name else {
                return nil
            }
            return component
        }
    }

    /// The name in the index of the row of a slot; nil if it is not among the first `limit` rows from `start` on.
    func name(ofSlot slot: Int64, in directory: Int64, from start: [UInt8], limit: Int) throws -> [UInt8]? {
        let cursor = try reader.cursor()
        cursor.seek(directory: directory, from: start)
        defer { cursor.close() }
        var count = 0
        while count < limit, try cursor.next() {
            if cursor.row.slot == slot { return Array(cursor.row.name) }
            count += 1
        }
        return nil
    }
}
