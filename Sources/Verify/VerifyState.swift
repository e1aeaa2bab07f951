import Basics
import Packs
import Store

/// What has been verified, and when: `verify.state` in the store. docs/FORMAT.md describes it.
///
/// The files in `blobs/` are divided into units by the first three digits of their names; each pack is a unit as well. A
/// unit's time is the beginning of its last check that found nothing.
struct VerifyState {
    static let unitCount = 4096
    /// By unit.
    private(set) var verifiedAt: [Timestamp?] = Array(repeating: nil, count: unitCount)
    /// Of packs, which never change.
    private(set) var packs: [PackName: Timestamp] = [:]
    /// When the unfinished run began.
    var runBegan: Timestamp?

    private let path: String
    private static let firstLine = "icecore-verify 1"

    /// Reads the file, if there is one. Ignores what makes no sense.
    init(_ store: Store) {
        path = "\(store.path)/verify.state"
        guard let content = try? Files.read(path, limit: 256 << 20) else { return }
        let lines = String(decoding: content, as: UTF8.self).split(separator: "\n")
        guard lines.first.map(String.init) == VerifyState.firstLine else { return }
        let now = Timestamp.now()
        for line in lines.dropFirst() {
            let words = line.split(separator: " ")
            // A time in the future comes from a wrong clock.
            guard let number = words.last.flatMap({ Int64($0) }), number <= now.milliseconds else { continue }
            let time = Timestamp(milliseconds: number)
            if words.count == 3, words[0] == "pack", let name = PackName(String(words[1])) { packs[name] = time }
            guard words.count == 2 else { continue }
            if words[0] == "run" {
                runBegan = time
            } else if words[0].utf8.count == 3, let unit = Int(words[0], radix: 16), unit >= 0 {
                verifiedAt[unit] = time
            }
        }
    }

    /// Sets when a unit was found sound; nil: not all of it is.
    mutating func set(_ unit: Int, _ time: Timestamp?) {
        verifiedAt[unit] = time
    }

    /// The same for a pack.
    mutating func set(_ pack: PackName, _ time: Timestamp?) {
        packs[pack] = time
    }

    /// Forgets packs that are no more.
    mutating func keep(_ names: Set<PackName>) {
        packs = packs.filter { names.contains($0.key) }
    }

    func write() throws {
        var text = "\(VerifyState.firstLine)\n"
        if let runBegan { text += "run \(runBegan.milliseconds)\n" }
        for (unit, time) in verifiedAt.enumerated() {
            guard let time else { continue }
            text += "\(Hex.encode([UInt8(unit >> 4)]))\(String(unit & 15, radix: 16)) \(time.milliseconds)\n"
        }
        for (name, time) in packs { text += "pack \(name) \(time.milliseconds)\n" }
        try Files.replace(path, with: Array(text.utf8))
    }
}

/// Writes the state every few seconds. A store that is not writable can be verified as well.
struct VerifyStateWriter {
    private let isUsed: Bool
    private let reporter: VerifyReporter
    private var lastWritten = MonotonicClock.milliseconds()
    private var hasFailed = false

    init(isUsed: Bool, _ reporter: VerifyReporter) {
        self.isUsed = isUsed
        self.reporter = reporter
    }

    mutating func noteChange(_ state: VerifyState) {
        guard MonotonicClock.milliseconds() - lastWritten > 5000 else { return }
        write(state)
    }

    mutating func write(_ state: VerifyState) {
        guard isUsed, !hasFailed else { return }
        lastWritten = MonotonicClock.milliseconds()
        do {
            try state.write()
        } catch {
            hasFailed = true
            reporter.warning("cannot record what has been verified: \(error)")
        }
    }
}
