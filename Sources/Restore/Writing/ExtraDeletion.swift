import Basics
import S3

/// Deletes what a target has besides a view: many keys with each request, where the server can.
final class ExtraDeletion {
    private let target: RestoreTarget
    /// Whose requests these are, and who counts them.
    private let restore: RestoreLoop
    private var knowsBatches = true

    init(_ restore: RestoreLoop) {
        (target, self.restore) = (restore.target, restore)
    }

    func run(_ extras: ExtraKeys) throws {
        try extras.forEachBatch(of: S3Deletion.mostKeys) { batch in
            let sizes = Dictionary(batch.map { ($0.key, $0.size) }) { first, _ in first }
            var refused: [[UInt8]: String] = [:]
            let (named, unnamed) = (
                batch.filter { S3Deletion.canName($0.key) }, batch.filter { !S3Deletion.canName($0.key) }
            )
            var singles = unnamed.map(\.key)
            if !named.isEmpty {
                if try knowsBatches, let failures = try together(named.map(\.key)) {
                    for failure in failures { refused[failure.key] = failure.reason }
                } else {
                    singles += named.map(\.key)
                }
            }
            for (key, reason) in try oneByOne(singles) { refused[key] = reason }
            for (key, size) in sizes {
                if let reason = refused[key] {
                    restore.outcome.failed.add(size)
                    try restore.report(.failed(key: key, reason: "it was not deleted: \(reason)"))
                } else {
                    restore.outcome.deleted.add(size)
                }
            }
            restore.showProgress()
        }
    }

    /// - Returns: what the server has refused; nil if it does not know such requests, or wants a right for them that it does
    ///   not want for each: Ceph's gateway judges them as if they were for the bucket.
    private func together(_ keys: [[UInt8]]) throws -> [(key: [UInt8], reason: String)]? {
        let request = S3Deletion.request(bucket: target.bucket, keys: keys)
        do {
            return try S3Deletion.refused(try target.client.send(request, limit: 8 << 20).bytes)
        } catch let failure as S3Failure
            where failure.kind == .response && [400, 403, 404, 405, 501].contains(failure.status)
            && failure.code != "NoSuchBucket"
        {
            knowsBatches = false
            return nil
        } catch let failure as S3Failure {
            throw failure.asError
        }
    }

    private func oneByOne(_ keys: [[UInt8]]) throws -> [([UInt8], String)] {
        var refused: [([UInt8], String)] = []
        var rest = keys[...]
        try restore.loop.run {
            guard let key = rest.popFirst() else { return .finished }
            return .transfer(
                CollectingTransfer(
                    S3Request(.delete, bucket: target.bucket, key: key),
                    done: { answer in
                        guard case .failure(let error) = answer else { return }
                        if let failure = error as? S3Failure, failure.isNotFound, failure.code != "NoSuchBucket" {
                            return
                        }
                        refused.append((key, "\(error)"))
                    }))
        }
        return refused
    }
}
