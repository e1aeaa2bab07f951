import Basics

/// The line that says how far a command is: on a terminal it is redrawn in place, elsewhere printed now and then.
final class ProgressLine {
    /// A piece of the line. Where there is no room, the piece of the highest rank is left out first; rank 0 stays.
    struct Part {
        var text: String
        var rank: Int

        init(_ text: String, rank: Int = 0) {
            self.text = text
            self.rank = rank
        }
    }

    private let isTerminal: Bool
    private let interval: Double
    private let start = MonotonicClock.milliseconds()
    private var phase = ""
    private var phaseBegan = 0.0
    private var lastShown = 0.0
    private var drawn = ""
    /// How fast the phase advances, to estimate the time left.
    private var advance = RateMeter(memory: 20)
    /// The width allowed for the bar: it only ever shrinks, so that the bar does not come and go.
    private var barWidth = 20

    /// - Parameter interval: seconds between two lines where there is no terminal.
    init(interval: Double = 30) {
        isTerminal = Console.isTerminal(2) && Console.environment["TERM"] != "dumb"
        self.interval = isTerminal ? 0.25 : interval
    }

    /// Shows how far a phase is. May be called far more often than anybody can read.
    ///
    /// - Parameters:
    ///   - fraction: how much of the phase is done; nil if that is unknown.
    ///   - parts: called only when the line is due, with the seconds since the phase began.
    func show(_ phase: String, _ fraction: Double? = nil, _ parts: (_ seconds: Double) -> [Part]) {
        let now = Double(MonotonicClock.milliseconds() - start) / 1000
        if phase != self.phase {
            self.phase = phase
            phaseBegan = now
            lastShown = isTerminal ? -1 : now
            advance = RateMeter(memory: 20)
            barWidth = 20
        }
        guard now - lastShown >= interval else { return }
        lastShown = now
        var parts = parts(now - phaseBegan)
        let fraction = fraction.map { min(1, max(0, $0)) }
        if let fraction {
            advance.note(fraction, seconds: now)
            if let left = timeLeft(1 - fraction, now) { parts.append(Part(left, rank: 1)) }
        }
        if isTerminal { draw(parts, fraction) } else { Console.note(line(parts, fraction)) }
    }

    /// Shows how far a phase is, in one piece of text or none.
    func show(_ phase: String, _ fraction: Double? = nil, text: @autoclosure () -> String = "") {
        show(phase, fraction) { _ in
            let text = text()
            return text.isEmpty ? [] : [Part(text)]
        }
    }

    /// The time that the rest will take, in steps so that it stands still for a while; nil while it is a guess.
    private func timeLeft(_ rest: Double, _ now: Double) -> String? {
        guard rest > 0, now - phaseBegan > 3, let rate = advance.rate, rate > 0 else { return nil }
        let seconds = rest / rate
        guard seconds < 100 * 86400 else { return nil }
        let step = seconds < 10 ? 1.0 : seconds < 60 ? 5 : seconds < 600 ? 30 : 60
        return "\(Int((seconds / step).rounded(.up) * step).duration) left"
    }

    private func line(_ parts: [Part], _ fraction: Double?) -> String {
        let title = fraction.map { "\(phase) \(Int($0 * 100))%" } ?? phase
        return parts.isEmpty ? title : "\(title): \(parts.map(\.text).joined(separator: ", "))"
    }

    private func draw(_ parts: [Part], _ fraction: Double?) {
        var parts = parts
        let width = Console.width
        while line(parts, fraction).count > width,
            let place = parts.indices.max(by: { parts[$0].rank < parts[$1].rank }), parts[place].rank > 0
        {
            parts.remove(at: place)
        }
        var text = line(parts, fraction)
        if let fraction {
            barWidth = min(barWidth, width - text.count - 3)
            if barWidth >= 8 {
                let filled = Int(fraction * Double(barWidth))
                let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: barWidth - filled)
                text = "[\(bar)] \(text)"
            }
        }
        guard text != drawn else { return }
        Console.draw(text)
        drawn = text
    }

    /// Erases the line, before something else is printed.
    func clear() {
        if !drawn.isEmpty { Console.draw("") }
        drawn = ""
    }

    /// Prints a remark in place of the line.
    func note(_ text: String) {
        clear()
        Console.note(Display.line(text))
    }

    /// Prints a warning in place of the line.
    func warning(_ text: String) {
        note("warning: \(text)")
    }
}
