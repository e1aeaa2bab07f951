/// A character of a key: where ranges are cut, no character is.
struct KeyCharacter: Hashable {
    /// Its number in Unicode. A byte that is of no character counts as one that comes after all of them.
    var value: Int
    /// How many bytes it has.
    var count: Int

    private static let limit = 0x11_0000

    init(_ value: Int) {
        self.value = value
        count = value < 0x80 ? 1 : value < 0x800 ? 2 : value < 0x1_0000 ? 3 : value < Self.limit ? 4 : 1
    }

    /// The character at a place of a key; nil at its end.
    init?(_ key: some RandomAccessCollection<UInt8>, at offset: Int) {
        guard offset < key.count else { return nil }
        let place = key.index(key.startIndex, offsetBy: offset)
        let first = Int(key[place])
        self.init(first < 0x80 ? first : Self.limit + first)
        let rest = first >= 0xF5 ? 0 : first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC2 ? 1 : 0
        guard rest > 0, offset + rest < key.count else { return }
        var decoded = first & (0x3F >> rest)
        for step in 1...rest {
            let byte = Int(key[key.index(place, offsetBy: step)])
            guard byte & 0xC0 == 0x80 else { return }
            decoded = decoded << 6 | byte & 0x3F
        }
        let character = KeyCharacter(decoded)
        if character.count == rest + 1, character.bytes != nil { self = character }
    }

    /// Nil for what is no character.
    var bytes: [UInt8]? {
        Unicode.Scalar(UInt32(value)).map { Array(String(Character($0)).utf8) }
    }

    /// The next one that a marker may have.
    var next: KeyCharacter? {
        guard value >= 0x20 else { return KeyCharacter(0x20) }
        let next = KeyCharacter(value == 0xD7FF ? 0xE000 : value == 0x7E ? 0x80 : value + 1)
        return next.bytes == nil ? nil : next
    }

    /// Where the character begins that a place of a key is in.
    static func start(in key: [UInt8], at place: Int) -> Int {
        var start = min(place, key.count)
        while start > 0, start < key.count, place - start < 3, key[start] & 0xC0 == 0x80 { start -= 1 }
        return start
    }
}
