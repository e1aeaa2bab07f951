import Basics
import Foundation
import Synchronization

/// The document of a lease: who works on a shard.
struct LeaseDocument: Codable, Sendable {
    var format = WorkFormat.current
    /// Names one process of one machine.
    var worker: String
    /// For people: when it took the shard.
    var since: String
    /// Counts what was written of this lease, so that no two states of it are equal.
    var renewals = 0
    /// The worker has let go of the shard.
    var isReleased: Bool?
    /// Packs that it is about to write, before it does; and those of others who had the shard before.
    var packs: [String] = []
    var abandoned: [String] = []
}

/// A shard that this process works on for as long as it renews the lease in time.
///
/// Nobody compares clocks: others take the shard once they have seen the same lease, by its ETag, for as long as it lasts. So
/// a process that slept, or lost the network, may no longer have it: that costs work, and nothing else, since contents are
/// named by what they are, and of two results the first counts.
final class ShardLease: @unchecked Sendable {
    // The document and its tag are only used under the lock.
    private let lock = Mutex<Void>(())
    private let storage: any ReplicaStorage
    private let path: String
    private var document: LeaseDocument
    /// Nil: the lease is another's, or over.
    private var tag: String?
    private let seconds: Int
    /// Known without waiting for a renewal that is under way.
    private let lost = Atomic(false)
    private let stopped = Condition()
    private var isStopped = false
    private var thread: SystemThread?

    /// Takes a shard.
    ///
    /// - Parameter earlier: the lease that has run out, and its tag; nil: nobody had the shard.
    /// - Returns: nil if another was faster.
    init?(
        _ storage: any ReplicaStorage, _ path: String, worker: String, seconds: Int,
        after earlier: (document: LeaseDocument, tag: String)?
    ) throws {
        self.storage = storage
        self.path = path
        self.seconds = seconds
        document = LeaseDocument(worker: worker, since: Timestamp.now().rfc3339)
        if let earlier { document.abandoned = earlier.document.abandoned + earlier.document.packs }
        guard let tag = try storage.replace(path, try WorkFormat.encode(document), expecting: earlier?.tag) else {
            return nil
        }
        self.tag = tag
        thread = try SystemThread("lease") { [weak self] in self?.renew() }
    }

    deinit { end() }

    /// Whether another has taken the shard.
    var isLost: Bool { lost.load(ordering: .relaxed) }

    /// Packs that others may have left.
    var abandoned: [String] { lock.withLock { _ in document.abandoned } }

    /// Writes down packs that are about to be sent.
    ///
    /// - Returns: false if the shard is another's.
    func note(_ packs: [String]) throws -> Bool {
        if packs.isEmpty { return !isLost }
        return try write { $0.packs += packs }
    }

    /// Lets go of the shard, for others to take it at once.
    func release() {
        end()
        _ = try? Interruption.shielded { try write { $0.isReleased = true } }
    }

    /// Ends the renewals.
    func end() {
        stopped.withLock {
            isStopped = true
            stopped.broadcast()
        }
        thread?.join()
        thread = nil
    }

    private func write(_ change: (inout LeaseDocument) -> Void) throws -> Bool {
        try lock.withLock { _ in
            guard let tag else { return false }
            defer { if self.tag == nil { lost.store(true, ordering: .relaxed) } }
            change(&document)
            document.renewals += 1
            self.tag = try storage.replace(path, try WorkFormat.encode(document), expecting: tag)
            guard self.tag == nil, let there = try storage.read(path, limit: ReplicaFormat.documentLimit),
                let own = try? WorkFormat.decode(LeaseDocument.self, there.bytes, path), own.worker == document.worker
            else { return self.tag != nil }
            // An earlier write had succeeded although it seemed to fail.
            document.renewals += 1
            self.tag = try storage.replace(path, try WorkFormat.encode(document), expecting: there.tag)
            return self.tag != nil
        }
    }

    private func renew() {
        let pause = UInt64(max(1, seconds)) * 1000 / 4
        while true {
            let isOver = stopped.withLock {
                let deadline = MonotonicClock.milliseconds() + pause
                while !isStopped, MonotonicClock.milliseconds() < deadline { _ = stopped.wait(until: deadline) }
                return isStopped
            }
            if isOver { return }
            // What could not be written is written the next time, unless it is too late then.
            guard (try? write { _ in }) != false else { return }
        }
    }
}

/// How long leases have not changed, by this process's clock alone.
struct LeaseWatch {
    private var seen: [String: (tag: String, since: UInt64)] = [:]

    /// Whether a lease has run out: it was seen with this tag for as long as it lasts.
    mutating func hasRunOut(_ path: String, _ tag: String, _ document: LeaseDocument, seconds: Int) -> Bool {
        let now = MonotonicClock.millisecondsWithSleep()
        if document.isReleased ?? false { return true }
        guard let known = seen[path], known.tag == tag else {
            seen[path] = (tag, now)
            return false
        }
        return now - known.since > UInt64(max(1, seconds)) * 1000
    }

    mutating func forget(_ path: String) { seen[path] = nil }
}
