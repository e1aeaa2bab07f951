/// Which bytes keys are made of, judging by those that were listed: where to cut a range depends on that.
struct KeyAlphabet {
    private var isSeen = [Bool](repeating: false, count: 256)
    private var hasUpperCase = false

    private static let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    private static let lowerCase = UInt8(ascii: "a")...UInt8(ascii: "z")
    private static let upperCase = UInt8(ascii: "A")...UInt8(ascii: "Z")

    mutating func note(_ key: some Sequence<UInt8>) {
        for byte in key {
            isSeen[Int(byte)] = true
            if Self.upperCase.contains(byte) { hasUpperCase = true }
        }
    }

    /// How likely a byte is where another one was seen.
    private func weight(_ byte: UInt8, besideDigit: Bool) -> Int {
        guard (0x21...0x7e).contains(byte) else { return 0 }
        if isSeen[Int(byte)] { return 8 }
        if Self.digits.contains(byte) { return besideDigit ? 4 : 1 }
        if Self.lowerCase.contains(byte) { return 1 }
        return hasUpperCase && Self.upperCase.contains(byte) ? 1 : 0
    }

    /// The visible ASCII character in the middle of those that may stand between two bytes; nil if none may.
    ///
    /// - Parameters:
    ///   - low: −1: before all bytes.
    ///   - high: 256: after all bytes.
    func middle(above low: Int, below high: Int) -> UInt8? {
        let besideDigit = (0..<256).contains(low) && Self.digits.contains(UInt8(low))
        let candidates = max(0, low + 1)..<max(max(0, low + 1), min(high, 128))
        let total = candidates.reduce(0) { $0 + weight(UInt8($1), besideDigit: besideDigit) }
        guard total > 0 else { return nil }
        var sum = 0
        for candidate in candidates {
            sum += weight(UInt8(candidate), besideDigit: besideDigit)
            if 2 * sum >= total { return UInt8(candidate) }
        }
        return nil
    }

    /// The place of a key among all that agree with it before a depth, between 0 and 1, were all of them equally likely.
    func place(of key: [UInt8], from depth: Int) -> Double {
        var ranks = [Double](repeating: 0, count: 256)
        var count = 0.0
        for byte in 0..<256 {
            ranks[byte] = count
            if isSeen[byte] { count += 1 }
        }
        guard count > 0 else { return 0 }
        var (place, unit) = (0.0, 1.0)
        for byte in key.dropFirst(depth).prefix(8) {
            unit /= count + 1
            place += (ranks[Int(byte)] + 1) * unit
        }
        return place
    }
}
