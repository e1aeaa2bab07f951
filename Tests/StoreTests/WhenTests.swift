import Basics
import Model
import Testing

/// How people name dates: see "WHEN" in docs/SEMANTICS.md.
@Suite struct WhenTests {
    /// Two inventories on one day, one two days later.
    private static func timeline() throws -> Timeline {
        let times = ["2024-03-01T01:00:00Z", "2024-03-01T13:30:00.250Z", "2024-03-03T01:00:00Z"]
        return Timeline(
            try times.enumerated().map { number, text in
                let name = String(text.prefix(16)).replacing(":", with: "-") + "Z"
                return Timeline.Point(
                    id: Int64(number + 1), name: name, takenAt: try #require(Timestamp(rfc3339: text)))
            })
    }

    private static func view(_ text: String, earliest: String? = "2024-02-01T12:00:00Z") throws -> View {
        try When(text).view(
            in: timeline(), earliest: earliest.map { try #require(Timestamp(rfc3339: $0)) },
            now: try #require(Timestamp(rfc3339: "2024-03-04T01:00:00Z")))
    }

    @Test(arguments: [
        ("latest", "2024-03-03T01-00Z"), ("2024-03-01T01-00Z", "2024-03-01T01-00Z"),
        ("2024-03-01", "2024-03-01T13-30Z"), ("2024-03-03", "2024-03-03T01-00Z"),
    ])
    func snapshots(when: String, name: String) throws {
        let view = try Self.view(when)
        #expect(view.name == name)
        if case .instant = view.kind { Issue.record("\(when) is an instant") }
    }

    @Test(arguments: [
        ("2024-03-02", "2024-03-02T23:59:59.999Z"), ("2024-02-01", "2024-02-01T23:59:59.999Z"),
        ("2024-03-01T01:00:00Z", "2024-03-01T01:00:00Z"), ("2024-03-03T02:00:00+01:00", "2024-03-03T01:00:00Z"),
        ("24h", "2024-03-03T01:00:00Z"), ("3d", "2024-03-01T01:00:00Z"), ("2w", "2024-02-19T01:00:00Z"),
        ("2024-02-01T12:00:00Z", "2024-02-01T12:00:00Z"),
    ])
    func instants(when: String, instant: String) throws {
        let view = try Self.view(when)
        #expect(view.name == instant)
        #expect(view.kind == .instant(try #require(Timestamp(rfc3339: instant))))
    }

    @Test(arguments: [
        ("2024-03-03T01:00:00.001Z", "is after the newest snapshot, 2024-03-03T01-00Z"),
        ("2024-03-04", "2024-03-04 is after the newest snapshot"), ("0d", "is after the newest snapshot"),
        (
            "2024-01-31",
            "2024-01-31 is before anything is known: the earliest known object is from 2024-02-01T12:00:00Z"
        ),
        ("2024-02-01T11:59:59.999Z", "is before anything is known"), ("9w", "is before anything is known"),
        ("1000000y", "is before anything is known"), ("2024-03-01T01-01Z", "no synced inventory is named"),
    ])
    func outOfRangeIsAFailureThatNamesTheRange(when: String, sentence: String) throws {
        let error = try #require(throws: IcecoreError.self) { try Self.view(when) }
        #expect(error.code == .notFound)
        #expect(error.message.contains(sentence), "\(error.message)")
    }

    @Test func nothingIsKnown() throws {
        let error = try #require(throws: IcecoreError.self) { try Self.view("2024-03-02", earliest: nil) }
        #expect(error.message.contains("no object is known"))
        let empty = try #require(throws: IcecoreError.self) {
            try When.latest.view(in: Timeline([]), earliest: nil, now: .now())
        }
        #expect(empty.message.contains("no snapshot yet"))
    }

    @Test(arguments: [
        "", " ", "d", "3", "-1d", "+1d", "3x", "3D", "3 d", "1.5d", "yesterday", "Latest", "latest ", "2023-02-29",
        "2024-3-1", "2024-03-01T01:00Z", "2024-03-01T25-00Z", "2024-03-01T01-60Z", "2024-03-01T01-00", "2024-13-01",
        "2024-03-01\n", "99999999999999999999d", "9223372036854775807w", "２d",
    ])
    func whatIsNoPointInTimeIsAUsageError(text: String) throws {
        let error = try #require(throws: IcecoreError.self) { try When(text) }
        #expect(error.code == .usage)
        #expect(error.message.contains("give 'latest', an inventory's name"))
    }

    @Test func aLongTextIsCutInTheMessage() throws {
        let error = try #require(throws: IcecoreError.self) { try When(String(repeating: "x", count: 100_000)) }
        #expect(error.message.utf8.count < 400)
    }

    @Test(arguments: [
        ("0h", 0), ("12h", 43_200_000), ("3d", 259_200_000), ("2w", 1_209_600_000), ("1y", 31_536_000_000),
    ])
    func ages(text: String, milliseconds: Int64) throws {
        #expect(When.duration(text) == milliseconds)
        #expect(try When(text) == .age(milliseconds))
    }
}
