import Basics
import Foundation
import ReferenceModel
import Testing

/// The worked examples of docs/SEMANTICS.md as they stand there, and the notation that they are in.
@Suite struct WorkedExampleTests {
    private static let document: String = {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return
            (try? String(
                contentsOf: folder.deletingLastPathComponent().appending(path: "docs/SEMANTICS.md"),
                encoding: .utf8)) ?? ""
    }()

    @Test func theRulesSayWhatEveryExampleSays() throws {
        let examples = try WorkedExample.all(in: Self.document)
        #expect(examples.count >= 9)
        for example in examples { #expect(example.violations() == [], "\(example)") }
    }

    @Test func aWrongExampleIsFoundOut() throws {
        for (text, violation) in [
            ("**T.** v1@5, v2@15; `S20: v2*, v1`. v1 in [5, 14), v2 from 15 on.", "14: v1 too"),
            ("**T.** v1@5, v2@15; `S20: v2*, v1`. v1 in [5, 16), v2 from 16 on.", "15: v2, not v1"),
            (
                "**T.** v1@5, m2@15; `S20: m2*, v1`. v1 in [5, 15), nothing in [15, 20), v1 from 20 on.",
                "20: nothing, not v1"
            ),
            ("**T.** v1@5; `S20: v1*`. It is there.", "it does not say what is current"),
        ] {
            let example = try WorkedExample(parsing: text)
            #expect(example.violations().contains(violation), "\(example.violations())")
        }
        #expect(throws: WorkedExample.Unreadable.self) {
            try WorkedExample(parsing: "**T.** v1@5; `S20: v2*`. v1 from 5 on.")
        }
        #expect(throws: WorkedExample.Unreadable.self) { try WorkedExample(parsing: "v1@5; `S20: v1*`. v1 from 5 on.") }
    }

    /// Of keys with all kinds of versions.
    @Test(arguments: 0..<12 as Range<UInt64>)
    func whatIsWrittenIsReadBack(seed: UInt64) throws {
        let scenario = HistoryScenario(seed: seed)
        let history = try scenario.history()
        let origin = Timestamp(milliseconds: try #require(scenario.life.steps.first).time * 1000)
        for key in history.keys {
            let example = try #require(WorkedExample(of: key, in: history, title: "Key \(key)", origin: origin))
            let read = try WorkedExample(parsing: "\(example)")
            #expect(read.versions == example.versions, "\(example)")
            #expect(read.inventories == example.inventories, "\(example)")
            #expect(read.claims == example.claims, "\(example)")
        }
    }
}
