import Glibc

/// An instant: milliseconds since 1970-01-01T00:00:00Z, the resolution of S3's own timestamps.
public struct Timestamp: Hashable, Comparable, Sendable {
    public var milliseconds: Int64

    public init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.milliseconds < right.milliseconds
    }

    /// Before and after every instant that a timestamp can hold.
    public static let distantPast = Timestamp(milliseconds: .min)
    public static let distantFuture = Timestamp(milliseconds: .max)

    /// The current time of the system clock.
    public static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// The instant of a civil date and time in UTC (proleptic Gregorian calendar); nil for a date that does not exist.
    ///
    /// A leap second (60) counts as the following second, as in POSIX.
    public init?(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0, millisecond: Int = 0)
    {
        guard (0...9999).contains(year), (1...12).contains(month), (0...23).contains(hour), (0...59).contains(minute),
            (0...60).contains(second), (0...999).contains(millisecond), day >= 1,
            day <= Timestamp.days(inMonth: month, of: year)
        else { return nil }
        let days = Timestamp.daysSinceEpoch(year: year, month: month, day: day)
        let seconds = Int64(days) * 86400 + Int64(hour * 3600 + minute * 60 + second)
        milliseconds = seconds * 1000 + Int64(millisecond)
    }

    static func days(inMonth month: Int, of year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days since 1970-01-01, counted in eras of 400 years that begin on 1 March, so that leap days come last.
    private static func daysSinceEpoch(year: Int, month: Int, day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// Parses an RFC 3339 time: `2024-03-01T01:00:00Z`, with a fraction (cut to milliseconds) or an offset `±hh:mm`.
    ///
    /// Date and time are separated by `T`, `t` or one space. Nil for anything else, or anything more.
    public init?(rfc3339 bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 20,
            let year = decimal(bytes, 0, 4), bytes[4] == UInt8(ascii: "-"),
            let month = decimal(bytes, 5, 2), bytes[7] == UInt8(ascii: "-"),
            let day = decimal(bytes, 8, 2),
            bytes[10] == UInt8(ascii: "T") || bytes[10] == UInt8(ascii: "t") || bytes[10] == UInt8(ascii: " "),
            let hour = decimal(bytes, 11, 2), bytes[13] == UInt8(ascii: ":"),
            let minute = decimal(bytes, 14, 2), bytes[16] == UInt8(ascii: ":"),
            let second = decimal(bytes, 17, 2)
        else { return nil }
        var position = 19
        var millisecond = 0
        if bytes[position] == UInt8(ascii: ".") {
            position += 1
            let start = position
            var scale = 100
            while position < bytes.count, let digit = decimal(bytes, position, 1) {
                millisecond += digit * scale
                scale /= 10
                position += 1
            }
            if position == start { return nil }
        }
        guard position < bytes.count else { return nil }
        var offset: Int64 = 0
        switch bytes[position] {
        case UInt8(ascii: "Z"), UInt8(ascii: "z"):
            position += 1
        case UInt8(ascii: "+"), UInt8(ascii: "-"):
            guard position + 6 <= bytes.count, let hours = decimal(bytes, position + 1, 2), hours < 24,
                bytes[position + 3] == UInt8(ascii: ":"), let minutes = decimal(bytes, position + 4, 2), minutes < 60
            else { return nil }
            offset = Int64(hours * 60 + minutes) * 60_000
            if bytes[position] == UInt8(ascii: "-") { offset = -offset }
            position += 6
        default:
            return nil
        }
        guard position == bytes.count,
            let civil = Timestamp(
                year: year, month: month, day: day, hour: hour, minute: minute, second: second,
                millisecond: millisecond)
        else { return nil }
        milliseconds = civil.milliseconds - offset
    }

    /// ``init(rfc3339:)-(UnsafeRawBufferPointer)`` for a string.
    public init?(rfc3339 text: String) {
        var text = text
        let parsed = text.withUTF8 { Timestamp(rfc3339: UnsafeRawBufferPointer($0)) }
        guard let parsed else { return nil }
        self = parsed
    }

    /// Parses a time as HTTP servers write it: `Sun, 06 Nov 1994 08:49:37 GMT`.
    public init?(http text: String) {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let words = text.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard text.utf8.count == 29, words.count == 6, words[0].last == UInt8(ascii: ","),
            words[5].elementsEqual("GMT".utf8),
            let month = months.firstIndex(where: { $0.utf8.elementsEqual(words[2]) })
        else { return nil }
        let parsed = Array(text.utf8).withUnsafeBytes { bytes -> Timestamp? in
            guard let day = decimal(bytes, 5, 2), let year = decimal(bytes, 12, 4), let hour = decimal(bytes, 17, 2),
                bytes[19] == UInt8(ascii: ":"), let minute = decimal(bytes, 20, 2), bytes[22] == UInt8(ascii: ":"),
                let second = decimal(bytes, 23, 2)
            else { return nil }
            return Timestamp(year: year, month: month + 1, day: day, hour: hour, minute: minute, second: second)
        }
        guard let parsed else { return nil }
        self = parsed
    }

    /// The parts of the date and time in UTC.
    public var civil: (year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int, millisecond: Int) {
        // Rounded towards −∞, without a product that could overflow.
        let (quotient, remainder) = milliseconds.quotientAndRemainder(dividingBy: 86_400_000)
        let day = Int(remainder < 0 ? quotient - 1 : quotient)
        let rest = Int(remainder < 0 ? remainder + 86_400_000 : remainder)
        let shifted = day + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth + (shiftedMonth < 10 ? 3 : -9)
        return (
            yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1,
            rest / 3_600_000, rest / 60000 % 60, rest / 1000 % 60, rest % 1000
        )
    }

    /// `2024-03-01T01:00:00Z`; with milliseconds (`.250`) only if they are not 0.
    public var rfc3339: String {
        let parts = civil
        var text = ""
        text.reserveCapacity(24)
        func add(_ value: Int, _ width: Int, _ separator: String) {
            let digits = String(value)
            for _ in 0..<max(0, width - digits.count) { text += "0" }
            text += digits
            text += separator
        }
        add(parts.year, 4, "-")
        add(parts.month, 2, "-")
        add(parts.day, 2, "T")
        add(parts.hour, 2, ":")
        add(parts.minute, 2, ":")
        add(parts.second, 2, parts.millisecond == 0 ? "Z" : ".")
        if parts.millisecond != 0 { add(parts.millisecond, 3, "Z") }
        return text
    }
}

extension Timestamp: CustomStringConvertible {
    public var description: String { rfc3339 }
}

/// `length` ASCII digits from `offset` on as a number; nil if any of them is not a digit.
@inline(__always)
private func decimal(_ bytes: UnsafeRawBufferPointer, _ offset: Int, _ length: Int) -> Int? {
    var value = 0
    for index in offset..<offset + length {
        let digit = Int(bytes[index]) - 48
        guard digit >= 0, digit <= 9 else { return nil }
        value = value * 10 + digit
    }
    return value
}
