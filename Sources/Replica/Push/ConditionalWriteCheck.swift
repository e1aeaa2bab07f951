import Basics
import Foundation

/// Tries out, once per push and before anything is sent, whether the server supports conditional writes.
final class ConditionalWriteCheck {
    private let context: PushContext
    private var isDone = false

    init(_ context: PushContext) {
        self.context = context
    }

    /// - Throws: `unsupported` if the server does not support them and the push needs them.
    func run() throws {
        guard context.options.isConditional, !isDone else { return }
        isDone = true
        let path = "tmp/probe-\(UUID().uuidString.lowercased())"
        try context.records.willWrite([path])
        let reason = try context.replica.storage.reasonAgainstExchange(tryingAt: path)
        try context.records.forgetObjects([path])
        guard let reason else { return }
        throw IcecoreError(
            .unsupported,
            "the server at \(context.replica.url) does not support conditional writes (\(reason)), so two pushes at "
                + "once could undo each other: --no-cas does without, if you never run more than one")
    }
}
