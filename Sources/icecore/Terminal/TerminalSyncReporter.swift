import Basics
import Listing
import Sync

/// Shows the progress of a sync or a reindex.
final class TerminalSyncReporter: SyncReporter {
    private enum Stage: String {
        case none = ""
        case listing, inventory, merging, downloading, committing
    }

    /// What an object costs beside its bytes, in bytes, so that small and large objects add up to one number.
    private static let objectCost = 32_768.0

    let line = ProgressLine(interval: 10)
    private var phase = Stage.none
    private var mostBytes: Int64 = 0
    private var bytes = RateMeter(memory: 5)
    private var objects = RateMeter(memory: 5)

    func progress(_ progress: SyncProgress) {
        switch progress {
        case .listing(let progress):
            enter(.listing)
            list(progress)
        case .fetchingLists(let done, let count):
            enter(.inventory)
            line.show(phase.rawValue, Double(done) / Double(max(1, count)), text: "\(done) of \(count) list files")
        case .merging(let rows, let files, let count, let read, let total):
            enter(.merging)
            line.show(phase.rawValue, Double(read) / Double(max(1, total))) { seconds in
                objects.note(Double(rows), seconds: seconds)
                var parts = [ProgressLine.Part(rows.of("row"))]
                if seconds > 1, let rate = objects.rate {
                    parts.append(ProgressLine.Part("\(Int(rate)) rows/s", rank: 2))
                }
                parts.append(ProgressLine.Part("\(files) of \(count) list files", rank: 1))
                return parts
            }
        case .downloading(let progress):
            enter(.downloading)
            download(progress)
        case .committing:
            enter(.committing)
            line.show(phase.rawValue)
        }
    }

    private func enter(_ phase: Stage) {
        guard phase != self.phase else { return }
        self.phase = phase
        mostBytes = 0
        bytes = RateMeter(memory: 5)
        objects = RateMeter(memory: 5)
    }

    private func list(_ progress: ListingProgress) {
        let rows = progress.rows + progress.earlierRows
        // What is expected is what there was the last time.
        let fraction = progress.expectedRows.map { min(0.99, Double(rows) / Double(max(1, $0))) }
        line.show(phase.rawValue, fraction) { seconds in
            objects.note(Double(progress.rows), seconds: seconds)
            var parts = [ProgressLine.Part(rows.of(progress.call == .versions ? "version" : "object"))]
            if seconds > 1, let rate = objects.rate {
                parts.append(ProgressLine.Part("\(Int(rate))/s", rank: 2))
            }
            parts.append(ProgressLine.Part(progress.requests.of("request"), rank: 3))
            parts.append(ProgressLine.Part(progress.bytes.byteCount, rank: 4))
            parts.append(ProgressLine.Part("\(progress.inFlight) in flight", rank: 7))
            if progress.retries > 0 {
                parts.append(
                    ProgressLine.Part(progress.retries == 1 ? "1 retry" : "\(progress.retries) retries", rank: 5))
            }
            return parts
        }
    }

    private func download(_ progress: DownloadProgress) {
        // Bytes that were thrown away are fetched again; a bar must not go back.
        mostBytes = max(mostBytes, progress.bytes)
        let done = Double(mostBytes) + Self.objectCost * Double(progress.objects)
        let total = Double(progress.ofBytes) + Self.objectCost * Double(progress.ofObjects)
        line.show(phase.rawValue, total > 0 ? done / total : nil) { seconds in
            bytes.note(Double(progress.received), seconds: seconds)
            objects.note(Double(progress.objects), seconds: seconds)
            var parts = [
                ProgressLine.Part("\(progress.objects) of \(progress.ofObjects) objects"),
                ProgressLine.Part("\(mostBytes.byteCount) of \(progress.ofBytes.byteCount)", rank: 2),
            ]
            if seconds > 1, let bytes = bytes.rate, let objects = objects.rate {
                parts.append(ProgressLine.Part("\(Int64(bytes).byteCount)/s", rank: 3))
                parts.append(ProgressLine.Part("\(Self.text(objects)) objects/s", rank: 6))
            }
            parts.append(ProgressLine.Part("\(progress.inFlight) in flight", rank: 7))
            if progress.retries > 0 {
                parts.append(
                    ProgressLine.Part(progress.retries == 1 ? "1 retry" : "\(progress.retries) retries", rank: 5))
            }
            if progress.gone > 0 { parts.append(ProgressLine.Part("\(progress.gone) gone", rank: 4)) }
            if progress.failed > 0 { parts.append(ProgressLine.Part("\(progress.failed) failed", rank: 2)) }
            return parts
        }
    }

    /// A rate with as many digits as mean something.
    private static func text(_ rate: Double) -> String {
        if rate >= 10 || rate == 0 { return "\(Int(rate.rounded()))" }
        let tenths = Int((rate * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    func note(_ text: String) {
        line.note(text)
    }

    func warning(_ text: String) {
        line.warning(text)
    }
}
