import Basics

extension InventoryManifest {
    /// How far `creationTimestamp` may be from the time in the name of the manifest's folder. The units differ by a
    /// factor of 1000, so for any date since 1970 at most one of them comes this close.
    private static let mostDistance: Int64 = 31 * 86_400_000
    /// Up to the end of the year 9999, the last one that RFC 3339 can write.
    private static let times: ClosedRange<Int64> = 0...253_402_300_799_999

    /// The time that a `creationTimestamp` stands for.
    ///
    /// AWS writes milliseconds. Others write seconds, microseconds or nanoseconds, which the folder's name tells.
    ///
    /// - Parameter named: the time in the name of the folder; nil if that is not known.
    static func created(
        _ value: Int64?, named: Timestamp?, refuse: (String) -> IcecoreError
    ) throws(IcecoreError) -> Timestamp {
        guard let value else {
            throw refuse("has no valid field 'creationTimestamp': milliseconds since 1970 are expected")
        }
        guard let named else {
            if times.contains(value) { return Timestamp(milliseconds: value) }
            throw refuse("has no valid field 'creationTimestamp': milliseconds since 1970 are expected")
        }
        let (inSeconds, overflow) = value.multipliedReportingOverflow(by: 1000)
        let seconds = overflow ? nil : inSeconds
        for reading in [value, seconds, value / 1000, value / 1_000_000] {
            guard let reading, times.contains(reading) else { continue }
            if abs(reading - named.milliseconds) <= mostDistance { return Timestamp(milliseconds: reading) }
        }
        throw refuse(
            "has the creationTimestamp \(value): read as milliseconds that is \(shown(value)), as seconds "
                + "\(shown(seconds)), but its folder is named after \(named)")
    }

    private static func shown(_ milliseconds: Int64?) -> String {
        guard let milliseconds, times.contains(milliseconds) else { return "no date" }
        return Timestamp(milliseconds: milliseconds).rfc3339
    }
}
