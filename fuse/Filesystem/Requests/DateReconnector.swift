import Basics
import CFuse3
import Glibc
import Synchronization

/// Finds dates below `at/` for the kernel, when it knows a directory of one by its file handle only.
///
/// To connect a directory with the root, the kernel asks for its parent, and looks for its name in the parent's listing.
/// That of `at/` has no dates but the snapshots'. But the kernel is content if somebody looks up the name meanwhile; so
/// that is done, through the mount like any other program, and the kernel gets its parent afterwards. It takes a thread
/// that serves no requests: this one.
final class DateReconnector: Sendable {
    /// A LOOKUP of `..`, with the answer.
    private struct Reply: @unchecked Sendable {
        // Threads may use a request's handle one after the other.
        var request: Request
        var parent: fuse_entry_param
        /// Of the date.
        var path: String
    }

    private let replies = Channel<Reply>(limit: .max)
    private let thread = Mutex<SystemThread?>(nil)

    /// Looks up a path, then answers with the parent.
    func answer(_ request: Request, with parent: fuse_entry_param, afterLookingUp path: String) throws {
        try thread.withLock { thread throws(IcecoreError) in
            if thread == nil { thread = try SystemThread("date-lookup") { [self] in work() } }
        }
        let reply = Reply(request: request, parent: parent, path: path)
        if !replies.send(reply) { fuse_reply_err(request, ESTALE) }
    }

    private func work() {
        while let reply = replies.receive() {
            var status = stat()
            _ = lstat(reply.path, &status)
            var parent = reply.parent
            fuse_reply_entry(reply.request, &parent)
        }
    }

    /// Ends the thread. To be called between the unmount, so that no look-up hangs, and the end of the session.
    func stop() {
        replies.close()
        thread.withLock { thread in
            thread?.join()
            thread = nil
        }
    }
}

extension RequestWorker {
    /// Answers LOOKUP of `..` for the top of a date.
    ///
    /// - Parameter number: of its view.
    func replyDates(_ request: Request, toParentOf number: UInt32) throws {
        guard let current = try view(ViewTable.versions) else { return fail(request, ESTALE) }
        guard let name = files.views.name(number) else {
            return reply(request, directory: Node.datesId, current)
        }
        try files.dateReconnector.answer(
            request, with: entry(directory: Node.datesId, current),
            afterLookingUp: "\(files.mountPoint)/at/\(name)")
    }
}
