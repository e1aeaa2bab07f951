import Basics
import Upload

/// Sends what the replica lacks, and counts it over all attempts of a push.
final class BlobUpload {
    private let context: PushContext
    private let conditions: ConditionalWriteCheck
    /// Blobs that were sent.
    private(set) var count = 0
    /// Packs that were sent.
    private(set) var packs = 0
    /// Of both.
    private(set) var bytes: Int64 = 0
    /// Blobs and packs of the store that are not what their names say.
    private(set) var damaged: [(name: String, reason: String)] = []
    private var lastCommit = MonotonicClock.milliseconds()

    init(_ context: PushContext, _ conditions: ConditionalWriteCheck) {
        self.context = context
        self.conditions = conditions
    }

    func run(_ feed: BlobFeed) throws {
        let records = context.records
        repeat {
            try context.replica.storage.upload(
                {
                    guard let job = try feed.next() else { return nil }
                    try self.conditions.run()
                    return job
                }, journal: records
            ) { job, result in
                guard let item = job.item else { return }
                try record(item, result, wasThere: job.mayExist, feed)
            } progress: { [self] sent in
                context.progress(.blobs(count, packs: packs, bytes: bytes, sent: sent))
            }
            try records.commit()
        } while feed.hasMore
    }

    private func record(_ item: ReplicaItem, _ result: UploadOutcome, wasThere: Bool, _ feed: BlobFeed) throws {
        let records = context.records
        switch result {
        case .done:
            try records.set(item.name, .uploaded)
            switch item {
            case .blob: count += 1
            case .pack where wasThere: return
            case .pack: packs += 1
            case .inventoryFile: break
            }
            if !item.isInventoryFile { bytes += item.size }
        case .damaged(let reason):
            // Nothing of it was sent. Another push may have put the right content under its name.
            try records.forget(item.name)
            if item.isInventoryFile { break }
            let name = if case .blob(let blob) = item { blob.file } else { item.path }
            if !damaged.contains(where: { $0.name == name }) { damaged.append((name, reason)) }
            if let pack = item.pack { feed.breakUp(pack) }
        }
        let now = MonotonicClock.milliseconds()
        if now - lastCommit > 1000 {
            lastCommit = now
            try records.commit()
        }
    }
}
