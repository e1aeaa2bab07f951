import Basics
import Index
import Model
import S3
import Store
import Upload

/// Puts a view back into a bucket: what is there already is left alone, what the source still has is copied inside S3, and
/// the rest is uploaded from the store.
public final class Restore {
    private let store: Store
    private let reader: IndexReader
    private let view: View
    private let target: RestoreTarget
    private let options: RestoreOptions
    private let report: (RestoreEvent) throws -> Void
    private let progress: (RestoreOutcome) -> Void

    /// - Parameters:
    ///   - report: called with what cannot be restored.
    ///   - progress: called several times a second.
    public init(
        _ store: Store, _ reader: IndexReader, _ view: View, to target: RestoreTarget, _ options: RestoreOptions,
        report: @escaping (RestoreEvent) throws -> Void, progress: @escaping (RestoreOutcome) -> Void
    ) {
        (self.store, self.reader, self.view, self.target, self.options) = (store, reader, view, target, options)
        self.report = report
        self.progress = progress
    }

    /// - Parameter prefix: any start of keys: only those are restored, and only those are deleted.
    /// - Throws: what keeps the whole of it from going on. What concerns single objects is reported and counted.
    public func run(prefix: [UInt8]) throws -> RestoreOutcome {
        let hold = try BlobDeletionLock(store, removing: false)
        defer { withExtendedLifetime(hold) {} }
        try target.client.resolveCredentials()
        let records = try openRecords()
        if let records { try cleanUp(records) }
        let loop = try RestoreLoop(
            store, reader, target, options, records, report: report, progress: progress)
        let extras = try loop.run(try WantedWalk(reader, view, prefix: prefix), prefix: prefix)
        if let extras, extras.count > 0 {
            try ExtraDeletion(loop).run(extras)
        }
        loop.showProgress()
        return loop.outcome
    }

    /// Nil in a rehearsal of a target that nothing is known of: then nothing is written.
    private func openRecords() throws -> RestoreRecords? {
        if options.isDryRun, !Files.exists("\(store.path)/\(StoreLayout.restores)/\(target.recordsId).sqlite") {
            return nil
        }
        return try RestoreRecords(store, target)
    }

    /// Aborts the uploads in parts that an earlier restore to the same target may have left unfinished.
    private func cleanUp(_ records: RestoreRecords) throws {
        guard !options.isDryRun else { return }
        for (path, id) in try records.journal.unfinishedUploads() {
            try Interruption.check()
            let key = Array(path.utf8)
            do {
                if let id {
                    try target.client.abortUpload(bucket: target.bucket, key: key, id: id)
                } else {
                    for upload in try target.client.unfinishedUploads(bucket: target.bucket, key: key) {
                        try target.client.abortUpload(bucket: target.bucket, key: key, id: upload.id)
                    }
                }
            } catch let failure as S3Failure {
                throw failure.asError
            }
            try records.journal.didEnd(path)
        }
        try records.journal.commit()
    }
}
