/// Finds a key in the middle of what is left of a range, whose keys nobody knows.
struct SplitPoint {
    /// The last key that was listed.
    let cursor: [UInt8]
    /// The end of the range.
    let upper: [UInt8]?
    let alphabet: KeyAlphabet
    /// Where markers may not be longer than keys.
    private static let deepest = 1000

    /// - Parameters:
    ///   - variation: how many bytes two keys had in common, of which one is in the range and one beside it.
    ///   - common: how many bytes the keys of a page have in common.
    /// - Returns: a key after the cursor and before the end; nil if none was found.
    func find(variation: Int?, common: Int?) -> [UInt8]? {
        guard let found = candidate(variation, common), cursor.lexicographicallyPrecedes(found) else { return nil }
        if let upper, !found.lexicographicallyPrecedes(upper) { return nil }
        return found
    }

    private func candidate(_ variation: Int?, _ common: Int?) -> [UInt8]? {
        let floor = self.floor
        if let variation, variation >= floor {
            if let middle = middle(at: variation) { return middle }
            // Nothing more can follow in that place, but what precedes it may go on.
            if variation > floor, let end = end(of: variation) { return end }
        }
        if let common, common > floor + 1, let end = end(of: floor + (common - floor + 1) / 2) { return end }
        for depth in floor...max(floor, min(cursor.count, floor + 8)) {
            if let middle = middle(at: depth) { return middle }
        }
        return nil
    }

    /// How many bytes all keys of the rest have in common with the cursor, by the end of the range.
    private var floor: Int {
        guard let upper else { return 0 }
        let shared = SplitPoint.common(cursor, upper)
        // Its last key counts for nothing where it ends what begins like the cursor.
        if shared < cursor.count, upper.count == shared + 1, Int(upper[shared]) == Int(cursor[shared]) + 1 {
            return shared + 1
        }
        return shared
    }

    /// How many bytes two keys have in common at their beginnings.
    static func common(_ first: [UInt8], _ second: [UInt8]) -> Int {
        var count = 0
        while count < first.count, count < second.count, first[count] == second[count] { count += 1 }
        return count
    }

    /// A key that shares so many bytes with the cursor, and goes on with what lies in the middle of what may follow.
    private func middle(at depth: Int) -> [UInt8]? {
        guard depth <= min(cursor.count, Self.deepest), depth == cursor.count || cursor[depth] & 0xC0 != 0x80 else {
            return nil
        }
        let low = depth < cursor.count ? Int(cursor[depth]) : -1
        var high = 256
        if let upper, SplitPoint.common(cursor, upper) == depth, depth < upper.count {
            // The byte of the end itself is a candidate where the end has more behind it.
            high = Int(upper[depth]) + (upper.count > depth + 1 ? 1 : 0)
        }
        if let byte = alphabet.middle(above: low, below: high) { return cursor[..<depth] + [byte] }
        return low >= 0x80 ? scalar(at: depth, high) : nil
    }

    /// The same for text beyond ASCII, which is cut between characters.
    private func scalar(at depth: Int, _ high: Int) -> [UInt8]? {
        func first(_ bytes: ArraySlice<UInt8>) -> UInt32? {
            String(decoding: bytes.prefix(4), as: UTF8.self).unicodeScalars.first?.value
        }
        guard let low = first(cursor[depth...]) else { return nil }
        var middle = ((low >> 8) + 1) << 8
        if high < 256, let upper, let end = first(upper[depth...]), end > low { middle = low + (end - low) / 2 }
        if (0xD800...0xDFFF).contains(middle) { middle = 0xE000 }
        guard middle > low, let scalar = Unicode.Scalar(middle) else { return nil }
        return cursor[..<depth] + Array(String(Character(scalar)).utf8)
    }

    /// The first text after all keys that share so many bytes with the cursor, or fewer where that would be no text.
    private func end(of depth: Int) -> [UInt8]? {
        var depth = min(depth, cursor.count, Self.deepest)
        while depth > 0 {
            if (0x20..<0x7e).contains(cursor[depth - 1]) { return cursor[..<(depth - 1)] + [cursor[depth - 1] + 1] }
            depth -= 1
        }
        return nil
    }
}
