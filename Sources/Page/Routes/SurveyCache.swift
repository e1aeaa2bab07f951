import Basics
import Index
import Model
import Survey
import Synchronization

/// Keeps what scans have found, for views that do not change: in memory, and no more than fits.
final class SurveyCache: Sendable {
    /// What was asked.
    struct SurveyQuestion: Hashable, Sendable {
        /// What is known of the bucket: another one after each sync and each prune. Empty for a question about snapshots
        /// alone, which no sync changes.
        var knowledge: [UInt8]
        var prefix: [UInt8]
        /// As ``name(_:)`` has it.
        var view: String?
        var other: String?
        /// Whether the picture behind the slider can be had in time.
        var isRail = false

        /// A view by what makes it the same in another process.
        static func name(_ view: View) -> String {
            switch view.kind {
            case .snapshot: "snapshot \(view.time.milliseconds) \(view.name)"
            case .instant(let time): "instant \(time.milliseconds)"
            }
        }
    }

    enum SurveyFinding: Sendable {
        case change(FolderChange)
        case history(FolderHistory)
        case sums([(name: [UInt8], sum: FolderSum)])
        /// It took too long to find out.
        case tooLarge
    }

    private struct Generations {
        var young: [SurveyQuestion: SurveyFinding] = [:]
        var old: [SurveyQuestion: SurveyFinding] = [:]
        /// About the bytes of the young ones.
        var weight = 0
    }

    /// Of each of the two generations.
    private static let limit = 8 << 20
    /// What took at least so long to find is worth a place in a file, in milliseconds.
    private static let lasting: Int64 = 5
    private let generations = Mutex(Generations())
    private let kept: KeptSums

    /// - Parameter file: where what lasts is kept.
    init(file: String) {
        kept = KeptSums(file)
        for (question, finding) in kept.read() { keep(finding, question, took: 0) }
    }

    /// Writes what is not written yet.
    func save() { kept.save() }

    func find(_ question: SurveyQuestion) -> SurveyFinding? {
        generations.withLock { generations in
            if let answer = generations.young[question] { return answer }
            guard let answer = generations.old[question] else { return nil }
            SurveyCache.keep(answer, question, in: &generations)
            return answer
        }
    }

    /// - Parameter took: how long it took to find out, in milliseconds.
    func keep(_ answer: SurveyFinding, _ question: SurveyQuestion, took: Int64) {
        generations.withLock { SurveyCache.keep(answer, question, in: &$0) }
        if took >= SurveyCache.lasting { kept.keep(answer, question) }
    }

    private static func keep(_ answer: SurveyFinding, _ question: SurveyQuestion, in generations: inout Generations) {
        let size: Int
        switch answer {
        case .change, .tooLarge: size = 300
        case .history(let history): size = 100 * history.points.count + 8 * (history.changes?.count ?? 0)
        case .sums(let sums): size = sums.reduce(0) { $0 + $1.name.count + 64 }
        }
        if generations.weight + size > limit {
            generations.old = generations.young
            generations.young = [:]
            generations.weight = 0
        }
        generations.young[question] = answer
        generations.weight += size + question.prefix.count + 200
    }
}
