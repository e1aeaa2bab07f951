import Basics

/// What a WHEN stands for.
public enum ResolvedWhen: Hashable, Sendable {
    /// The snapshot of that name.
    case snapshot(String)
    case instant(Timestamp)
}

/// Why a WHEN stands for nothing.
public enum WhenError: Error, Hashable, Sendable {
    /// No WHEN at all: exit status 64.
    case malformed
    /// Nothing has been synced.
    case noSnapshots
    /// An inventory's name, but of none that has been synced.
    case unknownSnapshot
    /// The name of a snapshot that was pruned, or an instant before the horizon.
    case pruned
    /// After the newest snapshot, whose name the program says.
    case afterNewest(String)
    /// Before anything that is known.
    case beforeKnowledge

    public var exitStatus: Int32 { self == .malformed ? 64 : 1 }
}

extension History {
    /// What a WHEN stands for: `latest`, an inventory's name, a date, an RFC 3339 instant, or an age in hours, days or
    /// weeks (`12h`, `3d`, `2w`).
    public func resolve(_ when: String, now: Timestamp) throws(WhenError) -> ResolvedWhen {
        if when == "latest" {
            guard let newest = inventories.last else { throw .noSnapshots }
            return .snapshot(newest.name)
        }
        if let snapshot = inventories.first(where: { $0.name == when }) {
            if pruned.contains(snapshot.name) { throw .pruned }
            return .snapshot(snapshot.name)
        }
        if Self.isInventoryName(when) {
            throw .unknownSnapshot
        }
        if let day = Self.day(when) {
            let end = Timestamp(milliseconds: day.milliseconds + 86_400_000 - 1)
            if let snapshot = kept.last(where: { (day...end).contains($0.takenAt) }) {
                return .snapshot(snapshot.name)
            }
            return try inRange(end)
        }
        if let instant = Timestamp(rfc3339: when) {
            return try inRange(instant)
        }
        if let age = Self.age(when) {
            return try inRange(Timestamp(milliseconds: now.milliseconds - age))
        }
        throw .malformed
    }

    private func inRange(_ instant: Timestamp) throws(WhenError) -> ResolvedWhen {
        guard let newest = inventories.last else { throw .noSnapshots }
        guard instant <= newest.takenAt else { throw .afterNewest(newest.name) }
        if let horizon, instant < horizon { throw .pruned }
        guard let beginning = beginningOfKnowledge, instant >= beginning else { throw .beforeKnowledge }
        return .instant(instant)
    }

    /// `2024-11-06T01-00Z`.
    private static func isInventoryName(_ text: String) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard text.utf8.count == 17, parts.count == 4, text.hasSuffix("Z") else { return false }
        return Timestamp(rfc3339: "\(parts[0])-\(parts[1])-\(parts[2]):\(parts[3].dropLast()):00Z") != nil
    }

    /// The first instant of a date in UTC.
    private static func day(_ text: String) -> Timestamp? {
        text.utf8.count == 10 ? Timestamp(rfc3339: text + "T00:00:00Z") : nil
    }

    /// An age in milliseconds.
    private static func age(_ text: String) -> Int64? {
        let units: [Character: Int64] = ["h": 3_600_000, "d": 86_400_000, "w": 604_800_000]
        let digits = text.dropLast()
        guard let unit = text.last.flatMap({ units[$0] }), !digits.isEmpty,
            digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let count = Int64(digits), count <= Int64.max / 2 / unit
        else { return nil }
        return count * unit
    }
}
