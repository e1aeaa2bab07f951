import Basics
import Sync

/// Shows the progress of a sync: on a terminal a line that is drawn over and over, else a line now and then.
final class TerminalReporter: SyncReporter {
    /// A part of the line, and how soon it goes where there is no room: the highest first.
    private typealias Part = (text: String, rank: Int)

    private enum Phase: String {
        case none = ""
        case inventory, merging, downloading, committing
    }

    /// What one object costs beside its bytes, as bytes: so that many small ones and a few large ones make one number.
    private static let objectCost = 32_768.0

    private let isTerminal: Bool
    private let clock = ContinuousClock()
    private let began: ContinuousClock.Instant
    private var phase = Phase.none
    private var phaseBegan = 0.0
    private var lastDrawn = 0.0
    private var drawn = ""
    private var mostBytes: Int64 = 0
    /// What the bar may take: it only ever shrinks, so that it does not come and go.
    private var barRoom = 20

    private var bytes = RateMeter(memory: 5)
    private var objects = RateMeter(memory: 5)
    private var work = RateMeter(memory: 20)

    init() {
        began = clock.now
        isTerminal = Console.isTerminal(2) && Console.environment["TERM"] != "dumb"
    }

    func progress(_ progress: SyncProgress) {
        let now = (clock.now - began) / .seconds(1)
        let phase = TerminalReporter.phase(of: progress)
        if phase != self.phase {
            self.phase = phase
            phaseBegan = now
            lastDrawn = isTerminal ? -1 : now
            bytes = RateMeter(memory: 5)
            objects = RateMeter(memory: 5)
            work = RateMeter(memory: 20)
            mostBytes = 0
            barRoom = 20
        }
        // Called far more often than anybody can read.
        guard now - lastDrawn >= (isTerminal ? 0.25 : 10) else { return }
        lastDrawn = now
        switch progress {
        case .fetchingLists(let done, let count):
            draw([("\(done) of \(count) list files", 0)], Double(done) / Double(max(1, count)), now)
        case .merging(let rows, let files, let count, let read, let total):
            let fraction = Double(read) / Double(max(1, total))
            objects.note(Double(rows), seconds: now)
            work.note(Double(read), seconds: now)
            var parts: [Part] = [("\(rows) rows", 0)]
            if now - phaseBegan > 1, let rate = objects.rate { parts.append(("\(Int(rate)) rows/s", 2)) }
            parts.append(("\(files) of \(count) list files", 1))
            if let left = left(Double(total - read), now) { parts.append((left, 1)) }
            draw(parts, fraction, now)
        case .downloading(let progress):
            download(progress, now)
        case .committing:
            draw([], nil, now)
        }
    }

    private static func phase(of progress: SyncProgress) -> Phase {
        switch progress {
        case .fetchingLists: .inventory
        case .merging: .merging
        case .downloading: .downloading
        case .committing: .committing
        }
    }

    private func download(_ progress: DownloadProgress, _ now: Double) {
        // What was thrown away is fetched again; nobody wants to see a bar go back.
        mostBytes = max(mostBytes, progress.bytes)
        let done = Double(mostBytes) + Self.objectCost * Double(progress.objects)
        let total = Double(progress.ofBytes) + Self.objectCost * Double(progress.ofObjects)
        bytes.note(Double(progress.received), seconds: now)
        objects.note(Double(progress.objects), seconds: now)
        work.note(done, seconds: now)
        var parts: [Part] = [
            ("\(progress.objects) of \(progress.ofObjects) objects", 0),
            ("\(mostBytes.byteCount) of \(progress.ofBytes.byteCount)", 2),
        ]
        if now - phaseBegan > 1, let bytes = bytes.rate, let objects = objects.rate {
            parts.append(("\(Int64(bytes).byteCount)/s", 3))
            parts.append(("\(TerminalReporter.text(objects)) objects/s", 6))
        }
        parts.append(("\(progress.inFlight) in flight", 7))
        if progress.retries > 0 { parts.append((progress.retries == 1 ? "1 retry" : "\(progress.retries) retries", 5)) }
        if progress.gone > 0 { parts.append(("\(progress.gone) gone", 4)) }
        if progress.failed > 0 { parts.append(("\(progress.failed) failed", 2)) }
        if let left = left(total - done, now) { parts.append((left, 1)) }
        draw(parts, total > 0 ? done / total : nil, now)
    }

    /// A rate with as many digits as mean something.
    private static func text(_ rate: Double) -> String {
        if rate >= 10 || rate == 0 { return "\(Int(rate.rounded()))" }
        let tenths = Int((rate * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    /// How long the rest will take, in steps that let it stand still for a while; nil while that is a guess.
    private func left(_ rest: Double, _ now: Double) -> String? {
        guard rest > 0, now - phaseBegan > 3, let rate = work.rate, rate > 0 else { return nil }
        let seconds = rest / rate
        guard seconds < 100 * 86400 else { return nil }
        let step = seconds < 10 ? 1.0 : seconds < 60 ? 5 : seconds < 600 ? 30 : 60
        return "\(Int((seconds / step).rounded(.up) * step).duration) left"
    }

    private func draw(_ parts: [Part], _ fraction: Double?, _ now: Double) {
        let fraction = fraction.map { min(1, max(0, $0)) }
        let title = fraction.map { "\(phase.rawValue) \(Int($0 * 100))%" } ?? phase.rawValue
        func line(_ parts: [Part]) -> String {
            parts.isEmpty ? title : "\(title): \(parts.map(\.text).joined(separator: ", "))"
        }
        guard isTerminal else { return Console.note(line(parts)) }
        var parts = parts
        let width = Console.width
        while line(parts).count > width, let place = parts.indices.max(by: { parts[$0].rank < parts[$1].rank }),
            parts[place].rank > 0
        {
            parts.remove(at: place)
        }
        var text = line(parts)
        if let fraction {
            barRoom = min(barRoom, width - text.count - 3)
            if barRoom >= 8 {
                let filled = Int(fraction * Double(barRoom))
                let (done, open) = (
                    String(repeating: "#", count: filled), String(repeating: ".", count: barRoom - filled)
                )
                text = "[\(done)\(open)] \(text)"
            }
        }
        guard text != drawn else { return }
        Console.draw(text)
        drawn = text
    }

    /// Takes the drawn line away, before something else is printed.
    func clear() {
        if !drawn.isEmpty { Console.draw("") }
        drawn = ""
    }

    func note(_ text: String) {
        clear()
        Console.note(Display.line(text))
    }

    func warning(_ text: String) {
        clear()
        Console.note("warning: \(Display.line(text))")
    }
}
