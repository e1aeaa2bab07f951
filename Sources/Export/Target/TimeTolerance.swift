import Basics
import Glibc

/// How exactly a target keeps the times of files: FAT in steps of two seconds, others without fractions.
struct TimeTolerance {
    /// By how much, in nanoseconds, a time may come back earlier than it was set.
    private var below: Int64 = 0
    private var above: Int64 = 0
    /// Beyond this, what comes back has nothing to do with what was set.
    private static let most: Int64 = 10_000_000_000

    /// Of a target that keeps times exactly, or of which nothing is known.
    init() {}

    /// Sets times, and sees what comes back.
    init(of tree: TargetTree) throws {
        let file = try FileWriter.create(FileWriter.temporaryName, in: tree)
        let descriptor = file.descriptor
        // At the end of an odd second, of an even one, and in the middle: cut off or rounded, to one second or two.
        for time in [
            timespec(tv_sec: 1_000_000_001, tv_nsec: 999_999_999),
            timespec(tv_sec: 1_000_000_000, tv_nsec: 999_999_999),
            timespec(tv_sec: 1_000_000_000, tv_nsec: 499_999_999),
        ] {
            var status = stat()
            guard futimens(descriptor, [time, time]) == 0, fstat(descriptor, &status) == 0,
                let difference = TimeTolerance.difference(status.st_mtim, time)
            else { break }
            below = max(below, -difference)
            if difference > 0 { above = max(above, difference + 1) }
        }
        // Rounded, a whole second can come back as the one before.
        if above > 1 { below = max(below, above) }
        try tree.remove(FileWriter.temporaryName)
    }

    /// Whether a file can have been given a time.
    func isEqual(_ seen: timespec, _ wanted: timespec) -> Bool {
        TimeTolerance.difference(seen, wanted).map { (-below...above).contains($0) } ?? false
    }

    /// In nanoseconds; nil if it is beyond all tolerance.
    private static func difference(_ first: timespec, _ second: timespec) -> Int64? {
        let (seconds, overflow) = Int64(first.tv_sec).subtractingReportingOverflow(Int64(second.tv_sec))
        guard !overflow, (-10...10).contains(seconds) else { return nil }
        let difference = seconds * 1_000_000_000 + Int64(first.tv_nsec) - Int64(second.tv_nsec)
        return abs(difference) < most ? difference : nil
    }
}

extension timespec {
    init(milliseconds: Int64) {
        // Rounded towards −∞.
        let seconds = milliseconds >= 0 ? milliseconds / 1000 : (milliseconds - 999) / 1000
        self.init(tv_sec: Int(seconds), tv_nsec: Int(milliseconds - seconds * 1000) * 1_000_000)
    }
}
