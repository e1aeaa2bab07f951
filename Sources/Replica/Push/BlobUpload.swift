import Basics
import Upload

/// Sends the blobs that the replica lacks, and counts them over all attempts of a push.
final class BlobUpload {
    private let context: PushContext
    private let conditions: ConditionalWriteCheck
    private(set) var count = 0
    private(set) var bytes: Int64 = 0
    /// Blobs of the store that are not what their names say.
    private(set) var damaged: [(name: String, reason: String)] = []
    private var lastCommit = MonotonicClock.milliseconds()

    init(_ context: PushContext, _ conditions: ConditionalWriteCheck) {
        self.context = context
        self.conditions = conditions
    }

    func run(_ feed: BlobFeed) throws {
        let records = context.records
        try context.replica.storage.upload(
            {
                guard let job = try feed.next() else { return nil }
                try self.conditions.run()
                return job
            }, journal: records
        ) { job, result in
            guard case .blob(_, let blob, _) = job.payload else { return }
            try record(blob.file, job.size, result)
        } progress: { [self] sent in
            context.progress(.blobs(count, bytes: bytes, sent: sent))
        }
        try records.commit()
    }

    private func record(_ name: String, _ size: Int64, _ result: UploadOutcome) throws {
        let records = context.records
        switch result {
        case .done:
            try records.set(name, .uploaded)
            count += 1
            bytes += size
        case .damaged(let reason):
            // Nothing of it was sent. Another push may have put the right content under its name.
            try records.forget(name)
            if !damaged.contains(where: { $0.name == name }) { damaged.append((name, reason)) }
        }
        let now = MonotonicClock.milliseconds()
        if now - lastCommit > 1000 {
            lastCommit = now
            try records.commit()
        }
    }
}
