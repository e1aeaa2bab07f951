import Basics
import Testing

@Suite struct DisplayTests {
    @Test func aStrangersWordsCannotCommandATerminal() {
        #expect(
            Display.text("red\u{1b}[31m\n\u{9b}\u{202e}\u{2028}") == "red\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}\u{fffd}")
        #expect(Display.text([0x61, 0xff, 0x62]) == "a\u{fffd}b")
        #expect(Display.text("Eis ❄ и лёд") == "Eis ❄ и лёд")
    }

    @Test func aStrangersWordsAreCut() {
        #expect(Display.text("abcdef", limit: 6) == "abcdef")
        #expect(Display.text("abcdef", limit: 5) == "abcde…")
        #expect(Display.text(String(repeating: "x", count: 100_000)).utf8.count == 300 + "…".utf8.count)
    }

    @Test func aLineKeepsAllButControlCharacters() {
        #expect(Display.line("a\tb\nc\u{7f}\u{1b}d é 👩‍🚀") == "a?b?c??d é 👩‍🚀")
    }

    @Test func aNameKeepsItsBytes() {
        #expect(
            Display.name([0x00, 0x1f, 0x20, 0x7e, 0x7f, 0x80, 0xff]) == [0x3f, 0x3f, 0x20, 0x7e, 0x3f, 0x80, 0xff])
    }
}
