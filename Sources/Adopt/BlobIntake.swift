import Basics
import Download
import Glibc
import Model
import Store

/// A content on its way into the store.
struct IntakeContent {
    fileprivate let content: IndexedContent
    fileprivate let layout: PartLayout?
    fileprivate let temporary: String
    fileprivate let arrived: ArrivedContent
    fileprivate let isShared: Bool

    /// - Parameters:
    ///   - content: with the name that its bytes have.
    ///   - isShared: its file is a clone of the tree's, or has a name there.
    init(
        _ content: IndexedContent, _ layout: PartLayout?, temporary: String, _ arrived: ArrivedContent,
        isShared: Bool = false
    ) {
        (self.content, self.layout, self.temporary, self.arrived) = (content, layout, temporary, arrived)
        self.isShared = isShared
    }
}

/// Commits contents as a download does, and removes files of the tree once theirs are durable.
final class BlobIntake {
    private let store: Store
    /// Small contents may go into packs.
    private let packs: Bool
    private var committer: BlobCommitter
    /// Files that are to leave the tree, once everything that was added is durable, and their blobs.
    private var leaving: [(candidate: Candidate, name: BlobName)] = []
    /// After an error it is not known what is durable: no file may leave the tree.
    private var failure: (any Error)?
    private let room = Condition()
    /// Their directories stay open.
    private let mostLeaving = max(1, min(256, limitOfOpenFiles() / 8))

    /// - Parameter removes: files of the tree are to leave it. Then no content goes into a pack: none counts before its pack
    ///   is finished, and by then a thousand others would have come.
    init(_ store: Store, removes: Bool) throws {
        self.store = store
        packs = !removes
        committer = try BlobIntake.committer(store, room, packs)
    }

    private static func committer(_ store: Store, _ room: Condition, _ packs: Bool) throws -> BlobCommitter {
        let committer = try BlobCommitter(store, headers: .nowhere, small: packs ? .packs : .files)
        committer.notify { room.withLock { room.broadcast() } }
        return committer
    }

    func isPending(_ content: ContentKey) -> Bool {
        committer.isPending(content)
    }

    func add(_ blob: IntakeContent) {
        guard let name = blob.content.name else { return }
        committer.add(
            CheckedContent(
                name, etag: blob.content.etag, parts: blob.layout, wasPresent: blob.content.isCalledPresent,
                temporary: blob.temporary, content: blob.arrived, staysFile: blob.isShared))
    }

    /// Waits while so much is queued that nothing more should be read.
    func waitForRoom() throws {
        try expect { try committer.check() }
        while committer.isFull {
            try Interruption.check()
            room.withLock { _ = room.wait(until: MonotonicClock.milliseconds() + 100) }
            try expect { try committer.check() }
        }
    }

    private func expect(_ body: () throws -> Void) throws {
        if let failure { throw failure }
        do {
            try body()
        } catch {
            failure = error
            throw error
        }
    }

    /// Has a file leave the tree once its blob is durable, which was added before or is added next.
    func remove(_ candidate: Candidate, _ name: BlobName, _ outcome: inout AdoptOutcome) throws {
        if leaving.count >= mostLeaving {
            try finish(&outcome)
            committer = try BlobIntake.committer(store, room, packs)
        }
        leaving.append((candidate, name))
    }

    /// Makes everything durable, and removes the files whose time has come. Nothing can be added afterwards.
    func finish(_ outcome: inout AdoptOutcome) throws {
        try expect { try committer.finish() }
        for (candidate, name) in leaving {
            // Whoever has written to it meanwhile keeps it.
            guard try store.blobs.find(name) != nil,
                let status = candidate.directory.status(candidate.name),
                candidate.state.isUnchanged(FileState(status)),
                SourceDirectory.withName(candidate.name, { unlinkat(candidate.directory.descriptor, $0, 0) }) == 0
            else {
                outcome.left += 1
                continue
            }
            outcome.moved += 1
        }
        leaving = []
    }
}
