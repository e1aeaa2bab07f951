import Basics
import ReferenceModel
import Testing

/// What a failing history becomes before people see it.
@Suite struct ShrinkingTests {
    @Test func onlyWhatAFailureNeedsIsLeft() {
        var shrinker = Shrinker(tries: 1000, seconds: 60)
        let left = shrinker.fewest(Array(0..<60)) { $0.contains(3) && $0.contains(41) && !$0.isEmpty }
        #expect(left == [3, 41])
        #expect(shrinker.tries < 100)
        #expect(shrinker.fewest([1, 2, 3]) { _ in true } == [])
    }

    @Test func thereIsAnEndToTrying() {
        var shrinker = Shrinker(tries: 10, seconds: 60)
        let left = shrinker.fewest(Array(0..<1000)) { $0.contains(777) }
        #expect(shrinker.tries == 10 && left.contains(777))
        var late = Shrinker(tries: 10, seconds: 0)
        #expect(late.fewest([1, 2]) { _ in true } == [1, 2])
    }

    /// A rule that is wrong, as a mistake in the model or in the program would be.
    enum WrongRule: CaseIterable, Sendable {
        case deletedForGoodStaysCurrent
        case markersAreNotSeen
        case timesDecideAlone

        func current(_ facts: KeyHistory, at instant: Timestamp) -> Version? {
            let right = facts.current(at: instant)
            let past = facts.succession.filter { $0.lastModified <= instant }
            switch self {
            case .deletedForGoodStaysCurrent: return past.last.flatMap { $0.isMarker ? nil : $0 }
            case .markersAreNotSeen: return right ?? past.last { !$0.isMarker && !facts.existence(of: $0).isEmpty }
            case .timesDecideAlone:
                let living = past.filter { version in facts.existence(of: version).contains { $0.contains(instant) } }
                return living.max { $0.lastModified < $1.lastModified }.flatMap { $0.isMarker ? nil : $0 }
            }
        }

        func complaint(_ history: History) -> String? {
            for instant in HistoryScenario.interestingInstants(history) {
                let right = history.instantView(at: instant)
                for key in history.keys {
                    guard let facts = history.history(of: key) else { continue }
                    if current(facts, at: instant) != right[key] { return "\(key) at \(instant)" }
                }
            }
            return nil
        }
    }

    @Test(arguments: WrongRule.allCases, [3, 7, 11] as [UInt64])
    func aLongHistoryIsShrunkToAFewStepsThatCanBePasted(rule: WrongRule, seed: UInt64) throws {
        let life = HistoryScenario(seed: seed).life
        #expect(life.steps.count >= 60)
        #expect(rule.complaint(try History(life.replay().inventories)) != nil, "the planted mistake shows")
        let smallest = smallestFailure(life, "Seed \(seed)") { rule.complaint(try History($0.replay().inventories)) }
        #expect(smallest.life.steps.count <= 6, "\(smallest)")
        #expect(smallest.examples.count == 1, "\(smallest)")
        for example in smallest.examples {
            #expect("\(smallest)".contains("\(example)"))
            let pasted = try #require(
                try WorkedExample.all(in: "\n### Worked examples\n\nTimes.\n\n\(example)\n\n### More\n").first)
            #expect(pasted.title == example.title)
            #expect(pasted.versions == example.versions && pasted.inventories == example.inventories)
            #expect(pasted.claims == example.claims && pasted.violations().isEmpty, "\(pasted)")
            #expect(rule.complaint(try History(pasted.reports())) != nil, "what is pasted shows the mistake")
        }
    }
}
