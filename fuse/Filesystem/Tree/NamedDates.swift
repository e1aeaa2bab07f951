import Basics
import Glibc
import Model

/// The dates that were named below `at/` in mounts of a store, in a file: what their numbers follow from, so that a file
/// handle survives the daemon.
///
/// One line a date: what it was (`latest`, `snapshot ID`, `instant MILLISECONDS`), a tab, and the name. Mounts append to
/// it; where it cannot be read or written, dates are forgotten with the daemon, as they are in a mount of their own.
struct NamedDates: Sendable {
    /// A file over this size is written anew, with the newest lines.
    private static let largest: Int64 = 256 << 10

    let path: String

    struct Date: Hashable, Sendable {
        var name: String
        var source: ViewSource

        /// The line in the file.
        var line: String {
            let what =
                switch source {
                case .latest: "latest"
                case .snapshot(let id): "snapshot \(id)"
                case .instant(let time): "instant \(time.milliseconds)"
                case .versions: "versions"
                }
            return "\(what)\t\(name)\n"
        }
    }

    /// The newest dates, oldest first.
    func read(limit: Int) -> [Date] {
        guard let bytes = try? Files.read(path, limit: Int(2 * NamedDates.largest)) else { return [] }
        var seen: Set<Date> = []
        var dates: [Date] = []
        for line in bytes.split(separator: UInt8(ascii: "\n")).reversed() where dates.count < limit {
            guard let date = NamedDates.parse(line), seen.insert(date).inserted else { continue }
            dates.append(date)
        }
        return dates.reversed()
    }

    /// Adds a date.
    func append(_ date: Date) {
        if let size = Files.size(path), size > NamedDates.largest {
            let lines = read(limit: 1024).map(\.line)
            try? Files.replace(path, with: Array(lines.joined().utf8))
        }
        // Somebody may have put a FIFO there, which nobody reads.
        guard let file = try? File(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK) else { return }
        var bytes = date.line
        bytes.withUTF8 { try? file.write(UnsafeRawBufferPointer($0)) }
    }

    /// The years 0 to 9999, in milliseconds.
    private static let instants: ClosedRange<Int64> = -62_167_219_200_000...253_402_300_799_999

    private static func parse(_ line: ArraySlice<UInt8>) -> Date? {
        let fields = String(decoding: line, as: UTF8.self).split(separator: "\t", omittingEmptySubsequences: false)
        guard fields.count == 2, (try? When(String(fields[1]))) != nil else { return nil }
        let words = fields[0].split(separator: " ", omittingEmptySubsequences: false)
        let number = words.count == 2 ? Int64(words[1]) : nil
        let source: ViewSource
        switch (words[0], number) {
        case ("latest", nil) where words.count == 1: source = .latest
        case ("snapshot", let id?) where ViewTable.number(ofSnapshot: id) != nil: source = .snapshot(id: id)
        case ("instant", let time?) where NamedDates.instants.contains(time):
            source = .instant(Timestamp(milliseconds: time))
        default: return nil
        }
        return Date(name: String(fields[1]), source: source)
    }
}
