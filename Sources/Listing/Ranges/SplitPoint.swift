/// Finds a key in the middle of what is left of a range, whose keys nobody knows.
struct SplitPoint {
    /// The last key that was listed.
    let cursor: [UInt8]
    /// The end of the range.
    let upper: [UInt8]?
    let alphabet: KeyAlphabet
    /// The last cut found nothing behind it.
    let wasFruitless: Bool
    /// Where markers may not be longer than keys.
    private static let deepest = 1000

    /// - Parameters:
    ///   - variation: how many bytes two keys had in common, of which one is in the range and one beside it.
    ///   - common: how many bytes the keys of a page have in common.
    /// - Returns: a key after the cursor and before the end; nil if none was found.
    func find(variation: Int?, common: Int?) -> [UInt8]? {
        let floor = self.floor
        if let variation = variation.map({ KeyCharacter.start(in: cursor, at: $0) }), variation >= floor {
            // Where a guess has found nothing, it is found out whether anything else can follow in that place.
            if !wasFruitless, let found = usable(middle(at: variation)) { return found }
            if let found = usable(end(after: variation)) { return found }
            if variation > floor, let found = usable(end(of: variation)) { return found }
        }
        if let common, common > floor + 1, let found = usable(end(of: floor + (common - floor + 1) / 2)) {
            return found
        }
        var depth = floor
        for _ in 0..<8 {
            if let found = usable(middle(at: depth)) { return found }
            guard let character = KeyCharacter(cursor, at: depth) else { break }
            depth += character.count
        }
        return nil
    }

    /// The key, if it lies between the cursor and the end.
    private func usable(_ key: [UInt8]?) -> [UInt8]? {
        guard let key, cursor.lexicographicallyPrecedes(key) else { return nil }
        if let upper, !key.lexicographicallyPrecedes(upper) { return nil }
        return key
    }

    /// How many bytes all keys of the rest have in common with the cursor, by the end of the range.
    private var floor: Int {
        guard let upper else { return 0 }
        let shared = KeyCharacter.start(in: cursor, at: SplitPoint.common(cursor, upper))
        // Its last key counts for nothing where it ends what begins like the cursor.
        if let own = KeyCharacter(cursor, at: shared), let next = own.next, KeyCharacter(upper, at: shared) == next,
            upper.count == shared + next.count
        {
            return shared + own.count
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
        guard depth <= min(cursor.count, Self.deepest) else { return nil }
        let low = KeyCharacter(cursor, at: depth)?.value ?? -1
        var high = Int.max
        if let upper, SplitPoint.common(cursor, upper) >= depth, let end = KeyCharacter(upper, at: depth) {
            // The character of the end itself is a candidate where the end has more behind it.
            high = end.value + (upper.count > depth + end.count ? 1 : 0)
        }
        if let bytes = alphabet.middle(above: low, below: high)?.bytes { return cursor[..<depth] + bytes }
        guard low >= 0x80 else { return nil }
        // Nothing is known there: it is looked for in the next of the blocks that alphabets have.
        let block = ((low >> 8) + 1) << 8
        let middle = KeyCharacter((0xD800...0xDFFF).contains(block) ? 0xE000 : block)
        return middle.bytes.map { cursor[..<depth] + $0 }
    }

    /// The first text after all keys that share so many bytes with the cursor, and the character behind them.
    private func end(after depth: Int) -> [UInt8]? {
        KeyCharacter(cursor, at: depth).flatMap { end(of: depth + $0.count) }
    }

    /// The first text after all keys that share so many bytes with the cursor, or fewer where that would be no text.
    private func end(of depth: Int) -> [UInt8]? {
        var depth = KeyCharacter.start(in: cursor, at: min(depth, cursor.count, Self.deepest))
        while depth > 0 {
            depth = KeyCharacter.start(in: cursor, at: depth - 1)
            if let next = KeyCharacter(cursor, at: depth)?.next?.bytes { return cursor[..<depth] + next }
        }
        return nil
    }
}
