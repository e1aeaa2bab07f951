import Basics
import Sync

/// Shows the progress of a sync: on a terminal a line that is drawn over and over, else a line now and then.
final class TerminalReporter: SyncReporter {
    private let isTerminal = Console.isTerminal(2)
    private var lastDrawn = Timestamp(milliseconds: 0)
    private var lineIsDrawn = false
    private var began = Timestamp.now()
    private var phase = ""

    func progress(_ progress: SyncProgress) {
        let now = Timestamp.now()
        let text: String
        var fraction: Double?
        let phase: String
        switch progress {
        case .fetchingLists(let done, let count):
            phase = "inventory"
            text = "\(done) of \(count) list files"
            fraction = Double(done) / Double(max(1, count))
        case .merging(let rows, let files, let count, let bytes, let total):
            phase = "merging"
            let seconds = Double(max(1, now.milliseconds - began.milliseconds)) / 1000
            let rate = self.phase == phase && seconds > 0.5 ? ", \(Int(Double(rows) / seconds)) rows/s" : ""
            text = "\(rows) rows\(rate), \(files) of \(count) list files"
            fraction = Double(bytes) / Double(max(1, total))
        case .downloading(let objects, let count, let bytes, let total, let failed):
            phase = "downloading"
            text =
                "\(objects) of \(count) objects, \(bytes.byteCount) of \(total.byteCount)"
                + (failed > 0 ? ", \(failed) failed" : "")
            fraction =
                total > 0 ? Double(bytes) / Double(total) : Double(objects) / Double(max(1, count))
        case .committing:
            phase = "committing"
            text = ""
        }
        if phase != self.phase {
            self.phase = phase
            began = now
            lastDrawn = isTerminal ? Timestamp(milliseconds: 0) : now
        }
        guard now.milliseconds - lastDrawn.milliseconds >= (isTerminal ? 200 : 10_000) else { return }
        lastDrawn = now
        draw("\(phase): \(text)\(remaining(fraction, now))", fraction)
    }

    private func remaining(_ fraction: Double?, _ now: Timestamp) -> String {
        let seconds = Double(now.milliseconds - began.milliseconds) / 1000
        guard let fraction, fraction > 0.01, fraction <= 1, seconds > 3 else { return "" }
        let left = Int(seconds / fraction - seconds)
        if left >= 3600 { return ", \(left / 3600) h \(left % 3600 / 60) min left" }
        return left >= 60 ? ", \(left / 60) min left" : ", \(left) s left"
    }

    private func draw(_ text: String, _ fraction: Double?) {
        guard isTerminal else { return Console.note(text) }
        var bar = ""
        if let fraction {
            let width = 20
            let filled = Int(min(1, max(0, fraction)) * Double(width))
            bar = "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled) + "] "
        }
        Console.draw(bar + text)
        lineIsDrawn = true
    }

    /// Takes the drawn line away, before something else is printed.
    func clear() {
        if lineIsDrawn { Console.draw("") }
        lineIsDrawn = false
    }

    func note(_ text: String) {
        clear()
        Console.note(text.printable)
    }

    func warning(_ text: String) {
        clear()
        Console.note("warning: \(text.printable)")
    }
}
