import Basics
import Foundation
import Survey
import Synchronization

/// Sums of snapshots, which never change, in a file: after a restart they need not be scanned for again.
///
/// It is no more than a cache. A file that is damaged, or of another program, counts as empty; it may be deleted at any
/// time; where it cannot be written, there is none. Of two servers the one that writes last has it.
final class KeptSums: Sendable {
    /// What is kept of a finding. Keys are bytes, in Base64.
    private struct KeptSum: Codable, Sendable {
        var prefix: Data
        var view: String
        var other: String?
        /// By folder: its prefix, keys, bytes.
        var folders: [KeptFolder]?
        /// Keys and bytes of what each field of a change has.
        var change: [Int64]?
    }

    private struct KeptFolder: Codable, Sendable {
        var prefix: Data
        var keys: Int64
        var bytes: Int64
    }

    private struct Book {
        var sums: [(question: SurveyCache.SurveyQuestion, sum: KeptSum)] = []
        var isSaved = true
        var savedAt: UInt64 = 0
    }

    private static let head = "icecore page sums 1 "
    /// Of the file, in bytes.
    private static let limit = 2 << 20
    /// The least time between two writes, in milliseconds.
    private static let interval: UInt64 = 10_000

    private let path: String
    private let book = Mutex(Book())

    init(_ path: String) {
        self.path = path
    }

    /// What the file has.
    func read() -> [(SurveyCache.SurveyQuestion, SurveyCache.SurveyFinding)] {
        guard let bytes = try? Files.read(path, limit: 2 * KeptSums.limit),
            let end = bytes.firstIndex(of: UInt8(ascii: "\n")),
            String(decoding: bytes[..<end], as: UTF8.self)
                == KeptSums.head + Hex.encode(SHA256.digest(Array(bytes[(end + 1)...]))),
            let sums = try? UntrustedJSON.decode([KeptSum].self, from: Array(bytes[(end + 1)...]))
        else { return [] }
        return sums.compactMap { sum in
            let question = SurveyCache.SurveyQuestion(
                knowledge: [], prefix: Array(sum.prefix), view: sum.view, other: sum.other)
            guard let finding = KeptSums.finding(sum) else { return nil }
            book.withLock { KeptSums.add(question, sum, to: &$0) }
            return (question, finding)
        }
    }

    /// Keeps what does not change any more, if it took some time to find.
    func keep(_ finding: SurveyCache.SurveyFinding, _ question: SurveyCache.SurveyQuestion) {
        guard question.knowledge.isEmpty, let view = question.view else { return }
        var sum = KeptSum(prefix: Data(question.prefix), view: view, other: question.other)
        switch finding {
        case .sums(let sums):
            sum.folders = sums.map { KeptFolder(prefix: Data($0.name), keys: $0.sum.keys, bytes: $0.sum.bytes) }
        case .change(let change):
            sum.change = KeptSums.parts(of: change).flatMap { [$0.keys, $0.bytes] }
        default: return
        }
        let isDue = book.withLock { book in
            KeptSums.add(question, sum, to: &book)
            book.isSaved = false
            let now = MonotonicClock.milliseconds()
            guard book.savedAt == 0 || now >= book.savedAt + KeptSums.interval else { return false }
            book.savedAt = now
            return true
        }
        if isDue { save() }
    }

    /// Writes what is not written yet.
    func save() {
        let sums = book.withLock { book -> [KeptSum]? in
            defer { book.isSaved = true }
            return book.isSaved ? nil : book.sums.map(\.sum)
        }
        guard let sums, let json = try? JSONEncoder().encode(sums) else { return }
        let bytes = Array(json)
        try? Files.replace(path, with: Array("\(KeptSums.head)\(Hex.encode(SHA256.digest(bytes)))\n".utf8) + bytes)
    }

    private static func add(_ question: SurveyCache.SurveyQuestion, _ sum: KeptSum, to book: inout Book) {
        book.sums.removeAll { $0.question == question }
        book.sums.append((question, sum))
        // What is oldest goes.
        var weight = book.sums.reduce(0) { $0 + KeptSums.weight($1.sum) }
        while weight > limit, !book.sums.isEmpty { weight -= KeptSums.weight(book.sums.removeFirst().sum) }
    }

    /// About the bytes in the file.
    private static func weight(_ sum: KeptSum) -> Int {
        150 + 2 * sum.prefix.count + (sum.folders ?? []).reduce(0) { $0 + 90 + 2 * $1.prefix.count }
    }

    private static func parts(of change: FolderChange) -> [FolderSum] {
        [change.old, change.new, change.added, change.removed, change.modified]
    }

    /// Nil for what this program does not write.
    private static func finding(_ sum: KeptSum) -> SurveyCache.SurveyFinding? {
        let all = (sum.folders ?? []).flatMap { [$0.keys, $0.bytes] } + (sum.change ?? [])
        guard all.allSatisfy({ 0...1 << 56 ~= $0 }) else { return nil }
        if let folders = sum.folders {
            return .sums(folders.map { (Array($0.prefix), FolderSum(keys: $0.keys, bytes: $0.bytes)) })
        }
        guard let numbers = sum.change, numbers.count == 10 else { return nil }
        let parts = (0..<5).map { FolderSum(keys: numbers[2 * $0], bytes: numbers[2 * $0 + 1]) }
        var change = FolderChange()
        (change.old, change.new) = (parts[0], parts[1])
        (change.added, change.removed, change.modified) = (parts[2], parts[3], parts[4])
        return .change(change)
    }
}
