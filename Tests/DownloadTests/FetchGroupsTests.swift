import Basics
import Testing
@testable import Download
@testable import Model

/// One content under several keys: who is asked, and when.
@Suite struct FetchGroupsTests {
    private func want(_ key: String, content: UInt64 = 1) -> FetchRequest {
        FetchRequest(
            key: Array(key.utf8), versionId: nil, etag: ETag(high: content, low: 0, parts: 0), size: 1, isLatest: true,
            isOpaque: false, isArchived: false, lastModified: .distantPast, replacedAt: .distantFuture)
    }

    private func failure(_ want: FetchRequest) -> FetchGroups.Failure {
        .init(want: want, kind: .gone, reason: "gone")
    }

    private func name(_ want: FetchRequest?) -> String? {
        want.map { String(decoding: $0.key, as: UTF8.self) }
    }

    @Test func whoWaitsIsNotAskedWhenTheContentComes() {
        var groups = FetchGroups(mostAttempts: 8)
        let first = want("a")
        groups.begin(first.content)
        groups.wait(want("b"))
        groups.wait(want("c"))
        #expect(groups.takeReady() == nil)
        #expect(groups.held == 2)
        #expect(groups.arrived(first.content)?.all == 2)
        #expect(groups.isEmpty && groups.held == 0 && groups.settled == 1)
        #expect(groups.takeReady() == nil)
    }

    @Test func aFailureIsForgottenWhenAnotherKeyHasTheContent() {
        var groups = FetchGroups(mostAttempts: 8)
        let first = want("a")
        groups.begin(first.content)
        groups.wait(want("b"))
        #expect(groups.failed(failure(first)).isEmpty)
        #expect(name(groups.takeReady()) == "b")
        groups.begin(first.content)
        #expect(groups.arrived(first.content)?.all == 1)
        #expect(groups.isEmpty && groups.held == 0)
    }

    @Test func keysAreAskedInOrderAndInGrowingNumbers() {
        var groups = FetchGroups(mostAttempts: 8)
        let keys = (0..<40).map { want("\($0)") }
        groups.begin(keys[0].content)
        for key in keys.dropFirst() { groups.wait(key) }
        var asked = [keys[0]]
        var order: [String] = []
        var rounds: [Int] = []
        var recorded: [FetchGroups.Failure] = []
        while !asked.isEmpty {
            rounds.append(asked.count)
            order += asked.compactMap(name)
            for key in asked { recorded += groups.failed(failure(key)) }
            asked = []
            while let next = groups.takeReady() {
                groups.begin(next.content)
                asked.append(next)
            }
        }
        #expect(order == (0..<40).map { "\($0)" })
        #expect(rounds == [1, 2, 4, 8, 8, 8, 8, 1])
        #expect(recorded.compactMap { name($0.want) } == order, "all are recorded, once nobody is left")
        #expect(groups.isEmpty && groups.held == 0 && groups.settled == 1)
    }

    @Test func aSecondArrivalIsKnownAsSuch() {
        var groups = FetchGroups(mostAttempts: 8)
        let first = want("a")
        groups.begin(first.content)
        for key in ["b", "c", "d"] { groups.wait(want(key)) }
        _ = groups.failed(failure(first))
        for _ in 0..<2 {
            #expect(groups.takeReady() != nil)
            groups.begin(first.content)
        }
        #expect(groups.arrived(first.content)?.all == 2)
        #expect(groups.arrived(first.content) == nil)
        #expect(groups.failed(failure(want("c"))).isEmpty)
        #expect(groups.isEmpty && groups.held == 0)
    }

    @Test func contentsDoNotWaitForEachOther() {
        var groups = FetchGroups(mostAttempts: 8)
        let (one, two) = (want("a", content: 1), want("b", content: 2))
        groups.begin(one.content)
        groups.begin(two.content)
        groups.wait(want("c", content: 1))
        groups.wait(want("d", content: 2))
        #expect(groups.failed(failure(two)).isEmpty)
        #expect(name(groups.takeReady()) == "d")
        #expect(groups.takeReady() == nil)
        groups.begin(two.content)
        #expect(groups.arrived(one.content)?.all == 1)
        #expect(groups.cancelled(two.content).count == 1)
        #expect(groups.isEmpty && groups.held == 0)
    }
}
