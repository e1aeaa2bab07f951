import Basics
import ReferenceModel
import Testing

/// That a history which the program fails is shrunk to what a person can read.
@Suite struct HistoryShrinkingTests {
    /// What a view would show if nothing were ever deleted for good.
    private static func wrongRule(_ history: History, _ when: ResolvedWhen) -> ShownVersions {
        guard case .instant(let instant) = when else { return HistoryComparison.view(history, when) }
        var view: ShownVersions = [:]
        for key in history.keys {
            let past = history.history(of: key)?.succession.filter { $0.lastModified <= instant } ?? []
            if let last = past.last, !last.isMarker { view[key] = last }
        }
        return view
    }

    @Test func aWrongExpectationIsShownByAFewSteps() throws {
        let scenario = HistoryScenario(seed: 3)
        #expect(scenario.life.steps.count >= 60)
        let store = try HistoryComparison(scenario, test: "wrong", isQuiet: true, rule: Self.wrongRule)
        for inventory in scenario.inventories { try store.perform(.sync(inventory.name)) }
        try store.perform(.verify)
        #expect(throws: HistoryComparison.Mismatch.self) {
            for instant in HistoryScenario.interestingInstants(store.history) {
                try store.ask(.recursive(when: instant.rfc3339))
            }
        }
        let acts = try #require(store.failedActs)
        let smallest = try #require(
            SmallestHistory(scenario, acts, test: "wrong", seconds: 600, rule: Self.wrongRule))
        #expect(smallest.failure.life.steps.count <= 6, "\(smallest)")
        #expect(smallest.acts.count <= 3, "\(smallest)")
        let example = try #require(smallest.failure.examples.first)
        #expect("\(smallest)".contains("\(example)"))
        let pasted = try WorkedExample(parsing: "\(example)")
        #expect(pasted.violations() == [] && pasted.inventories == example.inventories, "\(smallest)")
        // By the rules as they are, the same store has no fault.
        let right = try HistoryComparison(
            HistoryScenario(smallest.failure.life, of: scenario), test: "right", isQuiet: true)
        for act in smallest.acts { try right.perform(act) }
    }
}
