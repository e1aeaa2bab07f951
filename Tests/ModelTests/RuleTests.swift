import Basics
import ReferenceModel
import Testing

/// Each rule of docs/SEMANTICS.md in cases small enough to work out by hand. Times are in seconds.
@Suite struct RuleTests {
    static func at(_ seconds: Int) -> Timestamp { Timestamp(milliseconds: Int64(seconds) * 1000) }

    static func object(_ id: VersionID, _ lastModified: Int, etag: ByteString = "e") -> Version {
        Version(key: "k", id: id, lastModified: at(lastModified), etag: etag, size: 1)
    }

    static func marker(_ id: VersionID, _ lastModified: Int) -> Version {
        Version(key: "k", id: id, lastModified: at(lastModified), etag: "", isMarker: true)
    }

    /// An inventory taken at a second; its name follows from it.
    static func inventory(_ takenAt: Int, latest: Version?, _ others: Version...) -> InventoryReport {
        let first = latest.map { [InventoryReport.Row($0, isLatest: true)] } ?? []
        return InventoryReport(
            name: "S\(takenAt)", takenAt: at(takenAt),
            rows: first + others.map { InventoryReport.Row($0, isLatest: false) })
    }

    /// Checks which version is current in each of the seconds from 0 on; nil is none.
    static func expect(
        _ history: History, shows expected: [(ClosedRange<Int>, Version?)],
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        for (seconds, version) in expected {
            for second in seconds {
                let shown = history.instantView(at: at(second))["k"]
                #expect(shown == version, "at \(second) s", sourceLocation: sourceLocation)
            }
        }
    }

    // MARK: Rules 1 to 3

    @Test func orderOfInventoriesNeverShows() throws {
        let (v1, v2) = (Self.object("1", 5), Self.object("2", 15))
        let inventories = [
            Self.inventory(10, latest: v1), Self.inventory(20, latest: v2, v1), Self.inventory(30, latest: v1),
        ]
        let forth = try History(inventories)
        let back = try History(inventories.reversed())
        for second in 0...40 {
            #expect(forth.instantView(at: Self.at(second)) == back.instantView(at: Self.at(second)))
        }
        #expect(forth.versions("k") == back.versions("k"))
    }

    @Test func inventoriesOfTheSameInstantAreOrderedByName() throws {
        let (v1, v2) = (Self.object(.unknown, 5, etag: "1"), Self.object(.unknown, 6, etag: "2"))
        var a = Self.inventory(10, latest: v1)
        var b = Self.inventory(10, latest: v2)
        (a.name, b.name) = ("A", "B")
        let history = try History([b, a])
        #expect(history.inventories.map(\.name) == ["A", "B"])
        #expect(history.versions("k")?.first == VersionsLine(v2, isLatest: true))
        Self.expect(history, shows: [(0...4, nil), (5...5, v1), (6...20, v2)])
    }

    @Test func snapshotViewIsWhatTheRowsSayNotWhatTimesSay() throws {
        let (v1, v2) = (Self.object("1", 5), Self.object("2", 15))
        let history = try History([Self.inventory(10, latest: v2, v1), Self.inventory(20, latest: v1, v2)])
        #expect(history.snapshotView("S10") == ["k": v2])
        #expect(history.snapshotView("S20") == ["k": v1])
        #expect(history.snapshotView("S30") == nil)
    }

    @Test func snapshotViewHasNoMarkersAndNothingWithoutALatestRow() throws {
        let history = try History([
            Self.inventory(10, latest: Self.marker("2", 6), Self.object("1", 5)),
            Self.inventory(20, latest: nil, Self.object("1", 5)),
        ])
        #expect(history.snapshotView("S10") == [:])
        #expect(history.snapshotView("S20") == [:])
    }

    @Test func twoLatestRowsOfOneKeyAreRefused() {
        var inventory = Self.inventory(10, latest: Self.object("1", 5))
        inventory.rows.append(InventoryReport.Row(Self.object("2", 6), isLatest: true))
        #expect(throws: History.TwoLatestRows(inventory: "S10", key: "k")) { try History([inventory]) }
    }

    @Test func exactDuplicatesOfARowMeanNothing() throws {
        var inventory = Self.inventory(10, latest: Self.object("1", 5), Self.marker("0", 4))
        inventory.rows += inventory.rows
        let history = try History([inventory])
        #expect(history.snapshotView("S10")?.count == 1)
        #expect(history.versions("k")?.count == 2)
    }

    // MARK: Rules 4 and 7: runs and existence

    @Test func oneSyncOfTodayOpensThePast() throws {
        let (v1, m2, v3) = (Self.object("1", 5), Self.marker("2", 10), Self.object("3", 15))
        let history = try History([Self.inventory(20, latest: v3, m2, v1)])
        Self.expect(history, shows: [(0...4, nil), (5...9, v1), (10...14, nil), (15...40, v3)])
    }

    @Test func latestDeletedForGoodGivesTheOneBeforeTwoTenures() throws {
        let (v1, v2) = (Self.object("1", 5), Self.object("2", 15))
        let history = try History([
            Self.inventory(10, latest: v1), Self.inventory(20, latest: v2, v1), Self.inventory(30, latest: v1),
        ])
        let key = try #require(history.history(of: "k"))
        #expect(key.existence(of: v1) == [Self.at(5)..<Timestamp.distantFuture])
        #expect(key.existence(of: v2) == [Self.at(15)..<Self.at(30)])
        Self.expect(history, shows: [(0...4, nil), (5...14, v1), (15...29, v2), (30...50, v1)])
        #expect(history.versions("k")?.map(\.isLatest) == [false, true])
    }

    @Test func expiryOfANoncurrentVersionChangesNoView() throws {
        let (v1, v2) = (Self.object("1", 5), Self.object("2", 15))
        let history = try History([
            Self.inventory(20, latest: v2, v1), Self.inventory(30, latest: v2), Self.inventory(40, latest: v2),
        ])
        Self.expect(history, shows: [(0...4, nil), (5...14, v1), (15...50, v2)])
    }

    @Test func deletionIsDatedByTheFirstInventoryThatShowsIt() throws {
        let v1 = Self.object("null", 5)
        let history = try History([Self.inventory(10, latest: v1), Self.inventory(20, latest: nil)])
        Self.expect(history, shows: [(0...4, nil), (5...19, v1), (20...40, nil)])
    }

    @Test func versionThatComesBackExistsFromTheInventoryThatShowsItAgain() throws {
        // What reports without ids say when the latest version is deleted for good.
        let (v1, v2) = (Self.object(.unknown, 5, etag: "1"), Self.object(.unknown, 15, etag: "2"))
        let history = try History([
            Self.inventory(10, latest: v1), Self.inventory(20, latest: v2), Self.inventory(30, latest: v1),
            Self.inventory(40, latest: v1),
        ])
        let key = try #require(history.history(of: "k"))
        #expect(key.runs(of: v1) == [0...0, 2...3])
        #expect(key.existence(of: v1) == [Self.at(5)..<Self.at(20), Self.at(30)..<Timestamp.distantFuture])
        Self.expect(history, shows: [(0...4, nil), (5...14, v1), (15...29, v2), (30...50, v1)])
        #expect(history.versions("k")?.map(\.version) == [v2, v1])
    }

    @Test func rowNewerThanItsInventoryCountsFromItsOwnTime() throws {
        let (v1, v2) = (Self.object("1", 5), Self.object("2", 15))
        let history = try History([Self.inventory(10, latest: v2, v1)])
        #expect(history.snapshotView("S10") == ["k": v2])
        Self.expect(history, shows: [(0...4, nil), (5...14, v1), (15...30, v2)])
    }

    @Test func overwrittenByARowNewerThanItsInventoryExistsUntilThatRowDoes() throws {
        let (v1, v2) = (Self.object("null", 5, etag: "1"), Self.object("null", 25, etag: "2"))
        let history = try History([Self.inventory(10, latest: v1), Self.inventory(20, latest: v2)])
        Self.expect(history, shows: [(0...4, nil), (5...24, v1), (25...40, v2)])
    }

    @Test func removedByAMarkerNewerThanItsInventoryExistsUntilThatMarker() throws {
        let (v1, m2) = (Self.object("null", 5), Self.marker("null", 25))
        let history = try History([Self.inventory(10, latest: v1), Self.inventory(20, latest: m2)])
        Self.expect(history, shows: [(0...4, nil), (5...24, v1), (25...40, nil)])
        #expect(history.history(of: "k")?.existence(of: v1) == [Self.at(5)..<Self.at(25)])
    }

    @Test func versionListedOnlyBeforeItsOwnTimeNeverExisted() throws {
        let v1 = Self.object("1", 25)
        let history = try History([Self.inventory(10, latest: v1), Self.inventory(20, latest: nil)])
        #expect(history.history(of: "k")?.existence(of: v1) == [])
        Self.expect(history, shows: [(0...40, nil)])
        #expect(history.versions("k")?.count == 1)
        #expect(history.beginningOfKnowledge == nil)
    }

    @Test func overwrittenNullEndsWhereItsSuccessorBegins() throws {
        let (v1, v2) = (Self.object("null", 5, etag: "1"), Self.object("null", 15, etag: "2"))
        let history = try History([Self.inventory(10, latest: v1), Self.inventory(20, latest: v2)])
        #expect(history.history(of: "k")?.existence(of: v1) == [Self.at(5)..<Self.at(20)])
        Self.expect(history, shows: [(0...4, nil), (5...14, v1), (15...40, v2)])
    }

    @Test func inventoryOfAPrefixSaysThatAllElseIsGone() throws {
        let other = Version(key: "p/x", id: "1", lastModified: Self.at(5), etag: "e", size: 1)
        let v1 = Self.object("1", 5)
        var first = Self.inventory(10, latest: v1, other)
        first.rows[1].isLatest = true
        let second = InventoryReport(
            name: "S20", takenAt: Self.at(20), kind: .prefix("p/"),
            rows: [InventoryReport.Row(other, isLatest: true)])
        var third = first
        (third.name, third.takenAt) = ("S30", Self.at(30))
        let history = try History([first, second, third])
        #expect(history.snapshotView("S20") == ["p/x": other])
        Self.expect(history, shows: [(0...4, nil), (5...19, v1), (20...29, nil), (30...40, v1)])
        #expect(history.instantView(at: Self.at(25)) == ["p/x": other])
    }

    // MARK: Rules 5, 6 and 8: succession

    @Test func isLatestDecidesATieOfVersionAndMarker() throws {
        let (v, m) = (Self.object("1", 5), Self.marker("2", 5))
        let deleted = try History([Self.inventory(10, latest: m, v)])
        #expect(deleted.versions("k")?.map(\.version) == [m, v])
        Self.expect(deleted, shows: [(0...20, nil)])

        let alive = try History([Self.inventory(10, latest: v, m)])
        #expect(alive.versions("k")?.map(\.version) == [v, m])
        Self.expect(alive, shows: [(0...4, nil), (5...20, v)])
    }

    @Test func tieThatNoInventoryDecidesPutsObjectsFirstThenIdsInOrder() throws {
        let (v1, v2, m0, last) = (
            Self.object("1", 5), Self.object("2", 5), Self.marker("0", 5), Self.object("9", 8)
        )
        let history = try History([Self.inventory(10, latest: last, v1, m0, v2)])
        #expect(history.history(of: "k")?.succession == [v1, v2, m0, last])
        Self.expect(history, shows: [(0...7, nil), (8...20, last)])

        let objects = try History([Self.inventory(10, latest: last, v2, v1)])
        Self.expect(objects, shows: [(0...4, nil), (5...7, v2), (8...20, last)])
    }

    @Test func unknownIdComesBeforeAnyId() throws {
        let (known, unknown) = (Self.object("!", 5), Self.object(.unknown, 5))
        let history = try History([Self.inventory(10, latest: unknown), Self.inventory(20, latest: known)])
        #expect(history.history(of: "k")?.succession == [unknown, known])
    }

    @Test func earlierDecisionOfATieHoldsWhileThePairIsListed() throws {
        // v1 was latest in its second; a later version changes nothing about that.
        let (v1, v2, v3) = (Self.object("1", 5), Self.object("2", 5), Self.object("3", 15))
        let history = try History([Self.inventory(10, latest: v1, v2), Self.inventory(20, latest: v3, v1, v2)])
        #expect(history.history(of: "k")?.succession == [v2, v1, v3])
        Self.expect(history, shows: [(0...4, nil), (5...14, v1), (15...30, v3)])
    }

    @Test func newestInventoryDecidesWhereTheyDisagree() throws {
        let (v1, v2) = (Self.object("1", 5), Self.object("2", 5))
        let history = try History([Self.inventory(10, latest: v2, v1), Self.inventory(20, latest: v1, v2)])
        let key = try #require(history.history(of: "k"))
        #expect(key.overrules(v1, v2))
        #expect(!key.overrules(v2, v1))
        #expect(key.succession == [v2, v1])
    }

    @Test func laterTimeIsNotOverruled() throws {
        let (v1, v2) = (Self.object("1", 5), Self.object("2", 6))
        let key = try #require(try History([Self.inventory(10, latest: v2, v1)]).history(of: "k"))
        #expect(!key.overrules(v2, v1))
        #expect(!key.overrules(v1, v2))
    }

    @Test func multipartThatBeganBeforeWhatItReplacesStartsWithIt() throws {
        let (v, multipart) = (Self.object("1", 10), Self.object("0", 5))
        let history = try History([Self.inventory(20, latest: multipart, v)])
        let key = try #require(history.history(of: "k"))
        #expect(key.start(of: multipart) == Self.at(10))
        #expect(key.succession == [v, multipart])
        Self.expect(history, shows: [(0...9, nil), (10...40, multipart)])
    }

    @Test func multipartStartsAfterEveryInventoryThatShowedWhatItReplaces() throws {
        let (v, multipart) = (Self.object("1", 10), Self.object("0", 5))
        let history = try History([
            Self.inventory(12, latest: v), Self.inventory(15, latest: v), Self.inventory(20, latest: multipart, v),
        ])
        #expect(history.history(of: "k")?.start(of: multipart) == Self.at(15))
        Self.expect(history, shows: [(0...9, nil), (10...14, v), (15...40, multipart)])
    }

    @Test func noncurrentMultipartIsNotOverruledByWhatReplacedIt() throws {
        // Complete before v came: the times are right, and it counts from its beginning.
        let (v, multipart) = (Self.object("1", 10), Self.object("2", 5))
        let history = try History([Self.inventory(20, latest: v, multipart)])
        Self.expect(history, shows: [(0...4, nil), (5...9, multipart), (10...30, v)])
    }

    @Test func multipartThatReplacedTheLatestDeletedForGoodStartsThere() throws {
        // The end of what was deleted for good is the start of what the next inventory marks latest.
        let (v, w, multipart) = (Self.object("1", 10), Self.object("2", 26), Self.object("3", 5))
        let history = try History([
            Self.inventory(15, latest: v), Self.inventory(20, latest: multipart, w),
        ])
        let key = try #require(history.history(of: "k"))
        #expect(key.start(of: multipart) == Self.at(26))
        #expect(key.existence(of: v) == [Self.at(10)..<Self.at(26)])
        Self.expect(history, shows: [(0...9, nil), (10...25, v), (26...40, multipart)])
    }

    @Test func circleBeginsWithTheSmallest() throws {
        let (v1, v2, v3) = (Self.object("1", 20), Self.object("2", 20), Self.object("3", 20))
        let history = try History([
            Self.inventory(10, latest: v1, v2), Self.inventory(11, latest: v2, v3),
            Self.inventory(12, latest: v3, v1),
        ])
        let key = try #require(history.history(of: "k"))
        #expect(key.overrules(v1, v2) && key.overrules(v2, v3) && key.overrules(v3, v1))
        #expect(key.succession == [v1, v3, v2])
    }

    @Test func overrulingComesBeforeTheOrderOfIdsAmongThree() throws {
        // 1 overrules 3; 2 is bound to neither, and is the smallest that overrules nothing.
        let (v1, v2, v3) = (Self.object("1", 5), Self.object("2", 5), Self.object("3", 5))
        let history = try History([
            Self.inventory(10, latest: v1, v3), Self.inventory(11, latest: Self.object("9", 8), v1, v2, v3),
        ])
        #expect(history.history(of: "k")?.succession.prefix(3) == [v2, v3, v1])
    }

    // MARK: Rule 11

    @Test func versionsAreNewestFirstAndLatestByTheNewestInventory() throws {
        let (v1, m2, v3) = (Self.object("1", 5), Self.marker("2", 6), Self.object("3", 7))
        let history = try History([
            Self.inventory(10, latest: v3, m2, v1), Self.inventory(20, latest: m2, v1),
        ])
        #expect(
            history.versions("k") == [
                VersionsLine(v3, isLatest: false), VersionsLine(m2, isLatest: true), VersionsLine(v1, isLatest: false),
            ])
        #expect(history.versions("unknown") == nil)
    }

    @Test func nothingOfAKeyIsLatestOnceTheNewestInventoryDoesNotListIt() throws {
        let history = try History([
            Self.inventory(10, latest: Self.object("1", 5)), Self.inventory(20, latest: nil),
        ])
        #expect(history.versions("k")?.map(\.isLatest) == [false])
    }
}
