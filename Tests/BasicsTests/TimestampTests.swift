import Basics
import Testing

@Suite struct TimestampTests {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2024-03-01T01:00:00Z", 1_709_254_800_000),
        ("2024-03-01T01:00:00.250Z", 1_709_254_800_250),
        ("2024-02-29T23:59:59.999Z", 1_709_251_199_999),
        ("2000-02-29T00:00:00Z", 951_782_400_000),
        ("0000-01-01T00:00:00Z", -62_167_219_200_000),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ])
    func reads(and writes: String, milliseconds: Int64) {
        #expect(Timestamp(rfc3339: writes)?.milliseconds == milliseconds)
        #expect(Timestamp(milliseconds: milliseconds).rfc3339 == writes)
    }

    @Test(arguments: [
        ("2024-03-01t01:00:00z", "2024-03-01T01:00:00Z"),
        ("2024-03-01 01:00:00Z", "2024-03-01T01:00:00Z"),
        ("2024-03-01T01:00:00+05:45", "2024-02-29T19:15:00Z"),
        ("2024-03-01T01:00:00-23:59", "2024-03-02T00:59:00Z"),
        ("2024-03-01T01:00:00.5Z", "2024-03-01T01:00:00.500Z"),
        // Digits after the third are cut, however many there are.
        ("2024-03-01T01:00:00.2509999999999999999999999999999999Z", "2024-03-01T01:00:00.250Z"),
        // A leap second counts as the second after it.
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
    ])
    func readsEveryFormOfRFC3339(text: String, same: String) {
        #expect(Timestamp(rfc3339: text)?.rfc3339 == same)
    }

    @Test(arguments: [
        "", "2", "2024", "2024-03-01", "2024-03-01T01:00Z", "2024-03-01T01:00:00", "2024-03-01T01:00:00.Z",
        "2024-03-01T01:00:00.25", "2024-03-01T01:00:00Z ", " 2024-03-01T01:00:00Z", "2024-03-01T01:00:00ZZ",
        "2024-03-01T01:00:00+", "2024-03-01T01:00:00+05", "2024-03-01T01:00:00+0545", "2024-03-01T01:00:00+24:00",
        "2024-03-01T01:00:00+00:60", "2024-03-01T01:00:00+05:45Z", "2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
        "2024-04-31T00:00:00Z", "2024-00-01T00:00:00Z", "2024-13-01T00:00:00Z", "2024-03-00T00:00:00Z",
        "2024-03-01T24:00:00Z", "2024-03-01T01:60:00Z", "2024-03-01T01:00:61Z", "2024-03-01T-1:00:00Z",
        "+024-03-01T01:00:00Z", "2024/03/01T01:00:00Z", "2024-03-01_01:00:00Z", "2024-03-01T01-00-00Z",
        "２０２４-03-01T01:00:00Z", "2024-03-01T01:00:00\0", "12024-03-01T01:00:00Z",
    ])
    func refusesEverythingElse(text: String) {
        #expect(Timestamp(rfc3339: text) == nil)
    }

    @Test func everyCutOfATimeIsRefusedAndNoneIsReadBeyondItsEnd() {
        let text = Array("2024-03-01T01:00:00.250+05:45".utf8)
        for length in 0..<text.count {
            // Memory of exactly that size: a read beyond it would be found by an address sanitizer.
            let parsed = Array(text[..<length]).withUnsafeBytes { Timestamp(rfc3339: $0) }
            #expect(parsed == nil, "\(length) bytes")
        }
    }

    @Test func everyDayOfFourCenturiesIsReadBack() {
        var day = Timestamp(rfc3339: "1800-01-01T12:34:56.789Z")?.milliseconds ?? 0
        var previous = ""
        for _ in 0..<146_097 {
            let text = Timestamp(milliseconds: day).rfc3339
            if Timestamp(rfc3339: text)?.milliseconds != day || text <= previous {
                Issue.record("\(text) (after \(previous)) is not read back as \(day)")
                return
            }
            previous = text
            day += 86_400_000
        }
        #expect(previous == "2199-12-31T12:34:56.789Z")
    }

    @Test func civilDatesThatDoNotExistAreRefused() {
        #expect(Timestamp(year: 2023, month: 2, day: 29) == nil)
        #expect(Timestamp(year: 2024, month: 2, day: 29) != nil)
        #expect(Timestamp(year: 2100, month: 2, day: 29) == nil)
        #expect(Timestamp(year: -1, month: 1, day: 1) == nil)
        #expect(Timestamp(year: 10000, month: 1, day: 1) == nil)
        #expect(Timestamp(year: 2024, month: 1, day: .min) == nil)
        #expect(Timestamp(year: 2024, month: .max, day: 1) == nil)
        #expect(Timestamp(year: 2024, month: 1, day: 1, millisecond: 1000) == nil)
    }

    @Test func theEndsOfTimeAreOrdered() {
        #expect(Timestamp.distantPast < Timestamp(milliseconds: 0))
        #expect(Timestamp(milliseconds: 0) < Timestamp.distantFuture)
        #expect(Timestamp.now() > Timestamp(milliseconds: 1_700_000_000_000))
    }

    @Test func extremesAreWrittenWithoutATrap() {
        for milliseconds in [Int64.min, .min + 1, -1, 0, .max - 1, .max] {
            #expect(Timestamp(milliseconds: milliseconds).rfc3339.hasSuffix("Z"))
        }
        #expect(Timestamp(milliseconds: -1).rfc3339 == "1969-12-31T23:59:59.999Z")
    }
}
