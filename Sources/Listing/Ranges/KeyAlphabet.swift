/// Which characters keys are made of, judging by those that were listed: where to cut a range depends on that.
struct KeyAlphabet {
    private var isSeen = [Bool](repeating: false, count: 128)
    private var hasUpperCase = false
    /// Those beyond ASCII, in order.
    private var others: [Int] = []

    /// The most of them that are remembered.
    private static let mostOthers = 4096
    private static let digits = Int(UInt8(ascii: "0"))...Int(UInt8(ascii: "9"))
    private static let lowerCase = Int(UInt8(ascii: "a"))...Int(UInt8(ascii: "z"))
    private static let upperCase = Int(UInt8(ascii: "A"))...Int(UInt8(ascii: "Z"))

    mutating func note(_ key: some RandomAccessCollection<UInt8>) {
        var place = 0
        while let character = KeyCharacter(key, at: place) {
            place += character.count
            if character.value < 128 {
                isSeen[character.value] = true
                if Self.upperCase.contains(character.value) { hasUpperCase = true }
            } else {
                note(character)
            }
        }
    }

    private mutating func note(_ character: KeyCharacter) {
        let place = rank(character.value)
        guard place == others.count || others[place] != character.value, others.count < Self.mostOthers,
            character.bytes != nil
        else { return }
        others.insert(character.value, at: place)
    }

    /// How many of those beyond ASCII come before one.
    private func rank(_ value: Int) -> Int {
        var (low, high) = (0, others.count)
        while low < high {
            let middle = (low + high) / 2
            if others[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// How likely a character of ASCII is where another one was seen.
    private func weight(_ value: Int, besideDigit: Bool) -> Int {
        guard (0x21...0x7e).contains(value) else { return 0 }
        if isSeen[value] { return 8 }
        if Self.digits.contains(value) { return besideDigit ? 4 : 1 }
        if Self.lowerCase.contains(value) { return 1 }
        return hasUpperCase && Self.upperCase.contains(value) ? 1 : 0
    }

    /// The character in the middle of those that may stand between two; nil if none may.
    ///
    /// - Parameters:
    ///   - low: its number; −1: before all.
    ///   - high: its number, or one that none has: after all.
    func middle(above low: Int, below high: Int) -> KeyCharacter? {
        guard high > low + 1 else { return nil }
        let besideDigit = Self.digits.contains(low)
        let plain = min(128, low + 1)..<max(min(128, low + 1), min(high, 128))
        let seen = rank(low + 1)..<max(rank(low + 1), rank(high))
        let total = plain.reduce(8 * seen.count) { $0 + weight($1, besideDigit: besideDigit) }
        guard total > 0 else { return nil }
        var sum = 0
        for candidate in plain {
            sum += weight(candidate, besideDigit: besideDigit)
            if 2 * sum >= total { return KeyCharacter(candidate) }
        }
        return KeyCharacter(others[seen.lowerBound + max(0, (total / 2 - sum + 7) / 8 - 1)])
    }

    /// The place of a key among all that agree with it before a depth, between 0 and 1, were all of them equally likely.
    func place(of key: [UInt8], from depth: Int) -> Double {
        var ranks = [Double](repeating: 0, count: 128)
        var count = 0.0
        for value in 0..<128 {
            ranks[value] = count
            if isSeen[value] { count += 1 }
        }
        let plain = count
        count += Double(others.count)
        guard count > 0 else { return 0 }
        var (place, unit) = (0.0, 1.0)
        var offset = KeyCharacter.start(in: key, at: depth)
        for _ in 0..<8 {
            guard let character = KeyCharacter(key, at: offset) else { break }
            offset += character.count
            unit /= count + 1
            let value = character.value
            place += unit * (1 + (value < 128 ? ranks[value] : plain + Double(rank(value))))
        }
        return place
    }
}
