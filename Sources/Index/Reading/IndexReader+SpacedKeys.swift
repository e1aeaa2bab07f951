import SQLite

extension IndexReader {
    /// Keys, or prefixes of keys, that divide all known versions into parts of about the same number.
    ///
    /// It counts by directory, whose numbers of versions are known, and reads the rows of those only that are larger than
    /// a part, and no more than `limit` of them: what is behind them in a larger directory stays undivided.
    ///
    /// - Parameter count: the most keys.
    /// - Returns: in order; fewer, or none, where there is little to divide.
    public func spacedKeys(_ count: Int, limit: Int = 10_000_000) throws -> [[UInt8]] {
        let sum = try connection.prepare("SELECT coalesce(sum(min(max(slots, 0), 1099511627776)), 0) FROM directory")
        guard count > 0, try sum.step() else { return [] }
        let step = sum.integer(0) / Int64(count + 1)
        guard step > 0 else { return [] }
        let directories = try connection.prepare("SELECT id, slots FROM directory ORDER BY id")
        let rows = try connection.prepare("SELECT name FROM entry WHERE directory = ?1 ORDER BY name, slot")
        var keys: [[UInt8]] = []
        // Of every so many rows one counts, wherever directories begin.
        var distance = step / 2
        var left = limit
        while try directories.step(), keys.count < 2 * count {
            let (id, slots) = (directories.integer(0), max(0, directories.integer(1)))
            guard distance <= slots else {
                distance -= slots
                continue
            }
            guard let prefix = try prefix(of: id) else { continue }
            if slots < step {
                // The beginning of a directory with few rows is near enough.
                if !prefix.isEmpty { keys.append(prefix) }
                distance += step - slots
                continue
            }
            rows.reset()
            rows.bind(1, id)
            if left == 0 { continue }
            while try rows.step(), keys.count < 2 * count, left > 0 {
                left -= 1
                distance -= 1
                guard distance <= 0 else { continue }
                keys.append(prefix + Array(rows.bytes(0)))
                distance = step
            }
            rows.reset()
        }
        keys.sort { $0.lexicographicallyPrecedes($1) }
        var distinct: [[UInt8]] = []
        for key in keys where key != distinct.last { distinct.append(key) }
        return distinct
    }

    /// Whether versions have ids, by one of them; nil if none is known.
    public func knowsVersionIds() throws -> Bool? {
        let statement = try connection.prepare("SELECT versionId IS NOT NULL FROM entry WHERE child IS NULL LIMIT 1")
        return try statement.step() ? statement.integer(0) != 0 : nil
    }
}
