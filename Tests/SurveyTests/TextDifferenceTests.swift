import Foundation
import Testing

@testable import Page

/// Two texts, line by line: what is shown of both is each of them again.
@Suite struct TextDifferenceTests {

    @Test func examples() {
        #expect(TextDifference.lines("", "") == [])
        #expect(TextDifference.lines("a\nb\n", "a\nb") == [.skipped(2)])
        #expect(TextDifference.lines("a\n", "b\n") == [.removed("a"), .added("b")])
        #expect(TextDifference.lines("", "a\r\nb") == [.added("a\r"), .added("b")])
        let long = (1...20).map { "\($0)\n" }.joined()
        #expect(
            TextDifference.lines(long, long.replacing("\n10\n", with: "\nx\n")) == [
                .skipped(6), .same("7"), .same("8"), .same("9"), .removed("10"), .added("x"), .same("11"), .same("12"),
                .same("13"), .skipped(7),
            ])
    }

    @Test func whatIsTooMuchIsNotCompared() {
        func lines(_ count: Int, _ word: String) -> String { (0..<count).map { "\(word)\($0)\n" }.joined() }
        #expect(TextDifference.lines(lines(4001, "a"), "") == nil)
        #expect(TextDifference.lines(lines(1600, "a"), lines(1600, "b")) == nil)
        #expect(TextDifference.lines(lines(3999, "a"), lines(3999, "a") + "b")?.last == .added("b"))
    }

    @Test func randomTextsComeBack() throws {
        for _ in 0..<500 {
            // Near enough to each other that nothing is left out.
            let old = (0..<Int.random(in: 0...7)).map { _ in ["a", "b", "c", ""].randomElement() ?? "" }
            var new = old
            for _ in 0..<Int.random(in: 0...4) {
                if !new.isEmpty, Bool.random() {
                    new.remove(at: Int.random(in: new.indices))
                } else {
                    new.insert(["a", "b", "d"].randomElement() ?? "", at: Int.random(in: 0...new.count))
                }
            }
            func text(_ lines: [String]) -> String { lines.map { "\($0)\n" }.joined() }
            let lines = try #require(TextDifference.lines(text(old), text(new)))
            if lines.contains(where: { if case .skipped = $0 { true } else { false } }) { continue }
            let before = lines.compactMap { line -> String? in
                switch line {
                case .same(let text), .removed(let text): text
                default: nil
                }
            }
            let after = lines.compactMap { line -> String? in
                switch line {
                case .same(let text), .added(let text): text
                default: nil
                }
            }
            #expect(before == old && after == new, "\(old) \(new) \(lines)")
        }
    }
}
