import Basics

/// A line about what is being done: on a terminal drawn over and over, else printed now and then.
final class ProgressLine {
    private let isTerminal = Console.isTerminal(2)
    private var isDrawn = false
    private var phase = ""
    private var began = MonotonicClock.milliseconds()
    private var lastDrawn = MonotonicClock.milliseconds()

    /// - Parameter fraction: how much of it is done, if that is known.
    func draw(_ phase: String, _ text: String, _ fraction: Double?) {
        let now = MonotonicClock.milliseconds()
        if phase != self.phase {
            self.phase = phase
            began = now
            lastDrawn = isTerminal ? 0 : now
        }
        guard now - lastDrawn >= (isTerminal ? 200 : 30_000) else { return }
        lastDrawn = now
        var line = text.isEmpty ? phase : "\(phase): \(text)"
        let seconds = Double(now - began) / 1000
        if let fraction, fraction > 0.01, fraction <= 1, seconds > 3 {
            let left = Int(seconds / fraction - seconds)
            line +=
                left >= 3600
                ? ", \(left / 3600) h \(left % 3600 / 60) min left" : ", \(left / 60) min \(left % 60) s left"
        }
        guard isTerminal else { return Console.note(line) }
        if let fraction {
            let filled = Int(min(1, max(0, fraction)) * 20)
            line =
                "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: 20 - filled) + "] " + line
        }
        Console.draw(line)
        isDrawn = true
    }

    /// A line of one kind, as it goes on. Called often; shows little of it.
    func show(_ text: @autoclosure () -> String) {
        let now = MonotonicClock.milliseconds()
        guard now - lastDrawn >= (isTerminal ? 200 : 30_000) else { return }
        lastDrawn = now
        guard isTerminal else { return Console.note(text()) }
        Console.draw(text())
        isDrawn = true
    }

    /// Takes the line away, before something else is printed.
    func clear() {
        if isDrawn { Console.draw("") }
        isDrawn = false
    }
}
