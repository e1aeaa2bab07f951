import Basics
import Foundation
import Survey
import Testing

/// Patterns of names: examples, and random ones against the plainest way to compare them.
@Suite struct GlobTests {
    private func matches(_ pattern: String, _ text: String) throws -> Bool {
        try Glob(Array(pattern.utf8)).matches(text)
    }

    @Test(arguments: [
        ("", "", true), ("", "a", false), ("*", "", true), ("*", "a/b", true), ("**", "ab", true), ("?", "", false),
        ("?", "ü", true), ("??", "ü", false), ("a?c", "a/c", true), ("*.csv", "x.csv", true), ("*.csv", ".csv", true),
        ("*.csv", "x.csv.gz", false), ("a*b*c", "a-b-b-c", true), ("a*b*c", "a-c-b", false), ("*a*", "bab", true),
        ("[a-c]", "b", true), ("[a-c]", "d", false), ("[!a-c]", "d", true), ("[^a-c]", "b", false), ("[]]", "]", true),
        ("[!]]", "]", false), ("[a-]", "-", true), ("[c-a]", "b", false), ("[ä-ü]", "ö", true), ("[ä-ü]", "a", false),
        ("[", "[", true), ("[a", "[a", true), ("\\*", "*", true), ("\\*", "a", false), ("\\", "\\", true),
        ("\\[a]", "[a]", true), ("a\\", "a\\", true), ("Ä", "ä", false), ("*a", "aaaaaaaaab", false),
    ])
    func examples(pattern: String, text: String, expected: Bool) throws {
        #expect(try matches(pattern, text) == expected, "\(pattern) \(text)")
    }

    @Test func bytesThatAreNoTextAreCharacters() throws {
        let one = try Glob(Array("?".utf8))
        for bytes: [UInt8] in [[0xff], [0x80], [0xc3], [0x00]] { #expect(one.matches(bytes), "\(bytes)") }
        #expect(!one.matches([0xc3, 0x28]))
        #expect(try Glob(Array("*?".utf8) + [0xff]).matches([0x41, 0xe2, 0xff]))
    }

    @Test func onlyPatternsWithASlashAreComparedWithWholeKeys() throws {
        let glob = try Glob(Array("data/[ab]/*.nc".utf8))
        #expect(glob.matchesWholeKeys && glob.literalPrefix == Array("data/".utf8))
        #expect(try !Glob(Array("data*".utf8)).matchesWholeKeys)
        #expect(try Glob(Array("data*".utf8)).literalPrefix == [])
        #expect(throws: IcecoreError.self) { _ = try Glob([UInt8](repeating: 0x61, count: Glob.lengthLimit + 1)) }
    }

    /// A name that is built to make a comparison go back and forth takes no time worth mentioning.
    @Test func hostilePatternsEnd() throws {
        let pattern = String(repeating: "*a", count: 1000) + "b"
        let text = String(repeating: "a", count: 1024)
        let start = MonotonicClock.milliseconds()
        for _ in 0..<20 { #expect(try !matches(pattern, text)) }
        #expect(MonotonicClock.milliseconds() - start < 20_000)
    }

    @Test func randomPatternsAreAsThePlainestWaySays() throws {
        var random = SystemRandomNumberGenerator()
        let letters = ["a", "b", "ü", "*", "?", "[ab]", "[!a]", "[b-ü]"]
        var agreed = [0, 0]
        for _ in 0..<20_000 {
            let tokens = (0..<Int.random(in: 0...6, using: &random)).map { _ in
                letters.randomElement(using: &random) ?? ""
            }
            let text = (0..<Int.random(in: 0...6, using: &random)).map { _ in
                letters[Int.random(in: 0...2, using: &random)]
            }
            let expected = Self.plain(tokens[...], text[...])
            #expect(try matches(tokens.joined(), text.joined()) == expected, "\(tokens) \(text)")
            agreed[expected ? 1 : 0] += 1
        }
        // Of both answers there were many.
        #expect(agreed.allSatisfy { $0 > 500 }, "\(agreed)")
    }

    private static func plain(_ tokens: ArraySlice<String>, _ text: ArraySlice<String>) -> Bool {
        guard let token = tokens.first else { return text.isEmpty }
        let rest = tokens.dropFirst()
        if token == "*" { return (0...text.count).contains { plain(rest, text.dropFirst($0)) } }
        guard let letter = text.first else { return false }
        let isTaken =
            switch token {
            case "?": true
            case "[ab]": letter == "a" || letter == "b"
            case "[!a]": letter != "a"
            case "[b-ü]": letter != "a"
            default: letter == token
            }
        return isTaken && plain(rest, text.dropFirst())
    }
}

extension Glob {
    fileprivate func matches(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { matches($0) } }
    fileprivate func matches(_ text: String) -> Bool { matches(Array(text.utf8)) }
}
