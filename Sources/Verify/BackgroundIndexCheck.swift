import Basics
import Index
import Store
import Synchronization

/// The check of the index on a thread of its own, beside that of the blobs: neither needs the other, and both are mostly
/// computation.
final class BackgroundIndexCheck: Sendable {
    struct IndexFindings: Sendable {
        var rows: Int64
        /// As ``IndexCheck/problems``.
        var problems: [String]
    }

    private let store: Store
    private let outcome = Mutex<Result<IndexFindings, any Error>?>(nil)
    private let thread = Mutex<SystemThread?>(nil)

    init(_ store: Store) {
        self.store = store
    }

    func start() throws {
        let started = try SystemThread("index-check") { [self] in
            let result = Result<IndexFindings, any Error> {
                let check = IndexCheck(store)
                try check.run()
                return IndexFindings(rows: check.rows, problems: check.problems)
            }
            outcome.withLock { $0 = result }
        }
        thread.withLock { $0 = started }
    }

    /// What it has found, once it has ended.
    ///
    /// - Throws: `interrupted`, and errors of the machine rather than of the index.
    func result() throws -> IndexFindings {
        thread.withLock { thread in
            thread?.join()
            thread = nil
        }
        guard let outcome = outcome.withLock({ $0 }) else {
            throw IcecoreError(.system, "the check of the index has not run")
        }
        return try outcome.get()
    }
}
