import Basics

/// A pattern of the shell over the bytes of keys.
///
/// `*` is any number of characters, `/` among them; `?` is one character; `[a-z]` one of some, `[!a-z]` one of all others;
/// `\` takes its meaning from what follows. Characters are those of UTF-8; what is not UTF-8 counts byte by byte.
public struct Glob: Sendable {
    /// The longest pattern: longer than any key.
    public static let lengthLimit = 4096

    private enum GlobToken {
        case byte(UInt8)
        case one
        case any
        case set([ClosedRange<UInt32>], isNegated: Bool)
    }

    private let tokens: [GlobToken]
    /// It has a `/`, and is compared with whole keys instead of their last components.
    public let matchesWholeKeys: Bool
    /// What every key that matches begins with, if whole keys are compared.
    public let literalPrefix: [UInt8]
    /// A pattern such as `*.csv`: what comes behind its only `*`, which stands first.
    private let suffix: [UInt8]?

    /// - Throws: `usage` for a pattern that is too long.
    public init(_ text: [UInt8]) throws(IcecoreError) {
        guard text.count <= Glob.lengthLimit else {
            throw IcecoreError(.usage, "the pattern is too long: no key has more than 1,024 bytes")
        }
        var tokens: [GlobToken] = []
        var place = 0
        while place < text.count {
            let byte = text[place]
            place += 1
            switch byte {
            case UInt8(ascii: "*"):
                if case .any = tokens.last { continue }
                tokens.append(.any)
            case UInt8(ascii: "?"): tokens.append(.one)
            case UInt8(ascii: "\\") where place < text.count:
                tokens.append(.byte(text[place]))
                place += 1
            case UInt8(ascii: "["):
                if let (set, end) = Glob.set(text, place) {
                    tokens.append(set)
                    place = end
                } else {
                    tokens.append(.byte(byte))
                }
            default: tokens.append(.byte(byte))
            }
        }
        self.tokens = tokens
        let literals = tokens.map { token in if case .byte(let byte) = token { byte } else { nil } as UInt8? }
        matchesWholeKeys = text.contains(UInt8(ascii: "/"))
        literalPrefix = matchesWholeKeys ? literals.prefix { $0 != nil }.compactMap { $0 } : []
        let rest = literals.dropFirst()
        if case .any = tokens.first, !rest.contains(nil) { suffix = rest.compactMap { $0 } } else { suffix = nil }
    }

    /// The set that begins behind a `[`, and the place behind its `]`; nil if there is none.
    private static func set(_ text: [UInt8], _ start: Int) -> (GlobToken, end: Int)? {
        var place = start
        var isNegated = false
        if place < text.count, text[place] == UInt8(ascii: "!") || text[place] == UInt8(ascii: "^") {
            isNegated = true
            place += 1
        }
        var ranges: [ClosedRange<UInt32>] = []
        var isFirst = true
        return text.withUnsafeBytes { text in
            while place < text.count {
                if text[place] == UInt8(ascii: "]"), !isFirst {
                    return (.set(ranges, isNegated: isNegated), place + 1)
                }
                isFirst = false
                let low = character(text, &place)
                var high = low
                if place + 1 < text.count, text[place] == UInt8(ascii: "-"), text[place + 1] != UInt8(ascii: "]") {
                    place += 1
                    high = character(text, &place)
                }
                if low <= high { ranges.append(low...high) }
            }
            return nil
        }
    }

    /// The character at a place, which moves behind it; a byte that begins no character is one by itself.
    @inline(__always)
    private static func character(_ text: UnsafeRawBufferPointer, _ place: inout Int) -> UInt32 {
        let first = text[place]
        place += 1
        let more: Int
        switch first {
        case 0xc2...0xdf: more = 1
        case 0xe0...0xef: more = 2
        case 0xf0...0xf4: more = 3
        default: return UInt32(first)
        }
        guard place + more <= text.count else { return UInt32(first) }
        var value = UInt32(first) & (0x3f >> UInt32(more))
        for offset in 0..<more {
            guard text[place + offset] & 0xc0 == 0x80 else { return UInt32(first) }
            value = value << 6 | UInt32(text[place + offset] & 0x3f)
        }
        place += more
        return value
    }

    /// Whether a key, or its last component, is as the pattern says.
    public func matches(_ text: UnsafeRawBufferPointer) -> Bool {
        if let suffix {
            return text.count >= suffix.count
                && UnsafeRawBufferPointer(rebasing: text[(text.count - suffix.count)...]).hasPrefix(suffix)
        }
        var place = 0
        var token = 0
        // Where to go on if what follows the last `*` does not match: one character later.
        var retry: (token: Int, place: Int)?
        while true {
            if token < tokens.count {
                if case .any = tokens[token] {
                    token += 1
                    if token == tokens.count { return true }
                    retry = (token, place)
                    continue
                }
                if place < text.count, takes(tokens[token], text, &place) {
                    token += 1
                    continue
                }
            } else if place == text.count {
                return true
            }
            guard let last = retry, last.place < text.count else { return false }
            var next = last.place
            _ = Glob.character(text, &next)
            retry = (last.token, next)
            (token, place) = (last.token, next)
        }
    }

    @inline(__always)
    private func takes(_ token: GlobToken, _ text: UnsafeRawBufferPointer, _ place: inout Int) -> Bool {
        switch token {
        case .byte(let byte):
            guard text[place] == byte else { return false }
            place += 1
            return true
        case .one:
            _ = Glob.character(text, &place)
            return true
        case .set(let ranges, let isNegated):
            let value = Glob.character(text, &place)
            return ranges.contains { $0.contains(value) } != isNegated
        case .any: return false
        }
    }
}
