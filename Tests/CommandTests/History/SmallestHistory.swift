import Basics
import ReferenceModel

/// The fewest steps of a bucket's life, and the fewest acts on the store, with which the program and the rules still part.
struct SmallestHistory: CustomStringConvertible {
    private struct Attempt: Hashable {
        let inventories: [InventoryReport]
        let acts: [String]
    }

    let acts: [HistoryAct]
    let failure: SmallestFailure

    /// - Parameter acts: what was done with the scenario's store; the last one failed. Nil if it does not fail again.
    init?(
        _ scenario: HistoryScenario, _ acts: [HistoryAct], test: String, seconds: Double = 150,
        rule: @escaping HistoryComparison.Rule = HistoryComparison.view
    ) {
        guard let last = acts.last else { return nil }
        var shrinker = Shrinker(tries: 400, seconds: seconds)
        // Steps that no inventory shows make no difference.
        var known: [Attempt: String?] = [:]
        func complaint(_ life: BucketLife, _ acts: [HistoryAct]) throws -> String? {
            let attempt = Attempt(inventories: life.replay().inventories, acts: acts.map(\.description))
            if let known = known[attempt] { return known }
            let complaint = try newComplaint(life, acts)
            known[attempt] = .some(complaint)
            return complaint
        }
        func newComplaint(_ life: BucketLife, _ acts: [HistoryAct]) throws -> String? {
            let names = Set(life.replay().inventories.map(\.name))
            let store = try HistoryComparison(
                HistoryScenario(life, of: scenario), test: "\(test)-smaller", isQuiet: true, rule: rule)
            for (number, act) in acts.enumerated() where act.inventory.map(names.contains) ?? true {
                do {
                    try store.perform(act)
                } catch let mismatch as HistoryComparison.Mismatch {
                    // An earlier failure is another one.
                    return number + 1 == acts.count ? mismatch.description : nil
                }
            }
            return nil
        }

        // What was asked on the way changes nothing, if all is well.
        var before = acts.dropLast().filter { !$0.isQuestion }
        if !shrinker.fails({ try complaint(scenario.life, before + [last]) != nil }) {
            before = Array(acts.dropLast())
            guard shrinker.fails({ try complaint(scenario.life, before + [last]) != nil }) else { return nil }
        }
        var life = scenario.life.shrunk(&shrinker) { try complaint($0, before + [last]) != nil }
        before = shrinker.fewest(before) { try complaint(life, $0 + [last]) != nil }
        var smallest = before + [last]
        // A question names a time; of another time, everything is asked.
        let evenly = life.spaced(60)
        let names = Dictionary(
            zip(life.replay().inventories.map(\.name), evenly.replay().inventories.map(\.name))
        ) { first, _ in first }
        let renamed = smallest.map { $0.renamed(names) }
        if shrinker.fails({ try complaint(evenly, renamed) != nil }) { (life, smallest) = (evenly, renamed) }
        self.acts = smallest.filter { act in
            act.inventory.map { name in life.replay().inventories.contains { $0.name == name } } ?? true
        }
        failure = SmallestFailure(
            life, of: scenario.life, title: "Seed \(scenario.seed)",
            complaint: (try? complaint(life, smallest)) ?? "it does not fail again")
    }

    var description: String {
        "\(failure)\n\nThe store: \(acts.map(\.description).joined(separator: ", "))"
    }
}

extension HistoryAct {
    /// With inventories of other names.
    fileprivate func renamed(_ names: [String: String]) -> HistoryAct {
        switch self {
        case .sync(let name): .sync(names[name] ?? name)
        case .syncAgain(let name): .syncAgain(names[name] ?? name)
        case .ask: .ask(.everything)
        default: self
        }
    }
}
