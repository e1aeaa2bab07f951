import Basics
import ReferenceModel
import Testing

@Suite struct WhenRuleTests {
    static func time(_ text: String) throws -> Timestamp { try #require(Timestamp(rfc3339: text)) }

    /// Two inventories on one day, one two days later, and a first version long before.
    static func history() throws -> History {
        let first = Version(
            key: "k", id: "1", lastModified: try time("2024-02-01T12:00:00Z"), etag: "e", size: 1)
        let inventories = try ["2024-03-01T01:00:00Z", "2024-03-01T13:30:00.250Z", "2024-03-03T01:00:00Z"].map {
            let takenAt = try time($0)
            return InventoryReport(
                name: InventoryReport.name(takenAt: takenAt), takenAt: takenAt,
                rows: [InventoryReport.Row(first, isLatest: true)])
        }
        return try History(inventories)
    }

    static func resolve(_ when: String) throws -> ResolvedWhen {
        try history().resolve(when, now: try time("2024-03-04T01:00:00Z"))
    }

    @Test(arguments: [
        ("latest", "2024-03-03T01-00Z"), ("2024-03-01T01-00Z", "2024-03-01T01-00Z"),
        ("2024-03-01", "2024-03-01T13-30Z"), ("2024-03-03", "2024-03-03T01-00Z"),
    ])
    func snapshots(when: String, name: String) throws {
        #expect(try Self.resolve(when) == .snapshot(name))
    }

    @Test(arguments: [
        ("2024-03-02", "2024-03-02T23:59:59.999Z"), ("2024-02-29", "2024-02-29T23:59:59.999Z"),
        ("2024-02-01", "2024-02-01T23:59:59.999Z"), ("2024-02-01T12:00:00Z", "2024-02-01T12:00:00Z"),
        ("2024-03-03T01:00:00Z", "2024-03-03T01:00:00Z"), ("2024-03-03T02:00:00+01:00", "2024-03-03T01:00:00Z"),
        ("2024-03-01T01:00:00Z", "2024-03-01T01:00:00Z"), ("24h", "2024-03-03T01:00:00Z"),
        ("3d", "2024-03-01T01:00:00Z"), ("2w", "2024-02-19T01:00:00Z"),
    ])
    func instants(when: String, instant: String) throws {
        #expect(try Self.resolve(when) == .instant(try Self.time(instant)))
    }

    @Test(arguments: [
        ("2024-03-03T01:00:00.001Z", WhenError.afterNewest("2024-03-03T01-00Z")),
        ("2024-03-04", .afterNewest("2024-03-03T01-00Z")), ("2999-01-01", .afterNewest("2024-03-03T01-00Z")),
        ("23h", .afterNewest("2024-03-03T01-00Z")), ("0d", .afterNewest("2024-03-03T01-00Z")),
        ("2024-01-31", .beforeKnowledge), ("2024-02-01T11:59:59.999Z", .beforeKnowledge), ("9w", .beforeKnowledge),
        ("2024-03-01T01-01Z", .unknownSnapshot), ("2023-02-29", .malformed), ("2024-3-1", .malformed),
        ("2024-03-01T01:00Z", .malformed), ("2024-03-01T25-00Z", .malformed), ("", .malformed), ("d", .malformed),
        ("-1d", .malformed), ("3x", .malformed), ("yesterday", .malformed), ("99999999999999999999d", .malformed),
    ])
    func errors(when: String, error: WhenError) {
        #expect(throws: error) { try Self.resolve(when) }
    }

    @Test func nothingSyncedYet() throws {
        let empty = try History([])
        for when in ["latest", "2024-03-01", "3d"] {
            #expect(throws: WhenError.noSnapshots) { try empty.resolve(when, now: .now()) }
        }
        #expect(throws: WhenError.malformed) { try empty.resolve("x", now: .now()) }
    }
}
