import Basics

/// The progress of a long command: on a terminal a line that is drawn over and over, else a line now and then.
final class ProgressLine {
    private let isTerminal = Console.isTerminal(2)
    private var last: Timestamp
    private var isDrawn = false

    init() {
        last = isTerminal ? Timestamp(milliseconds: 0) : .now()
    }

    /// Called often; shows little of it.
    func show(_ text: @autoclosure () -> String) {
        let now = Timestamp.now()
        guard now.milliseconds - last.milliseconds >= (isTerminal ? 200 : 10_000) else { return }
        last = now
        if isTerminal {
            Console.draw(text())
            isDrawn = true
        } else {
            Console.note(text())
        }
    }

    /// Takes the drawn line away, before something else is printed.
    func clear() {
        if isDrawn { Console.draw("") }
        isDrawn = false
    }
}
