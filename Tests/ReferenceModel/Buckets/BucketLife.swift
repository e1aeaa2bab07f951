import Basics

/// What happens to a bucket, step by step, and when inventories of it are taken. Any part of a life is a life too.
public struct BucketLife: Sendable {
    public enum Operation: Sendable {
        case setVersioning(SimulatedBucket.Versioning)
        /// The id is that of the version or marker which comes of it; nil: any.
        case put(ByteString, [UInt8], id: VersionID?)
        case delete(ByteString, markerId: VersionID?)
        /// Uploads and inventories have numbers of their own.
        case beginUpload(Int, ByteString, [UInt8], partSize: Int)
        case completeUpload(Int, id: VersionID?)
        case deleteVersion(ByteString, VersionID)
        case expireNoncurrent(olderThan: Int)
        case expireLonelyMarkers
        /// A report's beginning, some milliseconds after the step's second, with the rows of some keys.
        case takeInventory(Int, name: String, milliseconds: Int64, InventoryReport.Kind, [ByteString])
        /// The rows that a report gives of further keys, when the bucket has changed meanwhile.
        case scan(Int, [ByteString])
    }

    public struct LifeStep: Sendable {
        /// Whole seconds since 1970; no step is before the one that it follows.
        public var time: Int64
        public var operation: Operation

        public init(_ time: Int64, _ operation: Operation) {
            self.time = time
            self.operation = operation
        }
    }

    public var versioning: SimulatedBucket.Versioning
    /// Decides the ids of versions for which no step names one.
    public var seed: UInt64
    public var steps: [LifeStep] = []

    public init(versioning: SimulatedBucket.Versioning = .enabled, seed: UInt64 = 0) {
        self.versioning = versioning
        self.seed = seed
    }

    /// The keys that any step names, in byte order.
    public var keys: [ByteString] { Set(steps.compactMap(\.operation.key)).sorted() }

    /// Lives it again; what a step refers to and no step has made is passed over.
    public func replay() -> BucketReplay {
        var replay = BucketReplay(self)
        for step in steps { replay.perform(step) }
        return replay
    }
}

extension BucketLife.Operation {
    /// The one key that it is about.
    var key: ByteString? {
        switch self {
        case .put(let key, _, _), .delete(let key, _), .beginUpload(_, let key, _, _), .deleteVersion(let key, _): key
        default: nil
        }
    }
}

/// A bucket while its life is lived.
public struct BucketReplay: Sendable {
    public private(set) var bucket: SimulatedBucket
    private var uploads: [Int: SimulatedBucket.Upload] = [:]
    private var reports: [Int: InventoryReport] = [:]

    /// Before the first step of a life.
    public init(_ life: BucketLife, name: String = "simulated") {
        bucket = SimulatedBucket(
            name: name, versioning: life.versioning, clock: life.steps.first?.time ?? 0, seed: life.seed)
    }

    init(bucket: SimulatedBucket) {
        self.bucket = bucket
    }

    /// Oldest first.
    public var inventories: [InventoryReport] {
        reports.values.sorted { ($0.takenAt, $0.name) < ($1.takenAt, $1.name) }
    }

    public mutating func advance(seconds: Int) {
        bucket.advance(seconds: seconds)
    }

    /// Does what the step says, and goes on to its time first.
    ///
    /// - Returns: the step, with the ids that were given.
    @discardableResult
    public mutating func perform(_ step: BucketLife.LifeStep) -> BucketLife.LifeStep {
        bucket.advance(to: step.time)
        var step = step
        switch step.operation {
        case .setVersioning(let versioning): bucket.setVersioning(versioning)
        case .put(let key, let content, let id):
            step.operation = .put(key, content, id: bucket.put(key, content, id: id).id)
        case .delete(let key, let id):
            step.operation = .delete(key, markerId: bucket.delete(key, markerId: id)?.id)
        case .beginUpload(let number, let key, let content, let partSize):
            uploads[number] = bucket.beginMultipart(key, content, partSize: partSize)
        case .completeUpload(let number, let id):
            guard let upload = uploads.removeValue(forKey: number) else { break }
            step.operation = .completeUpload(number, id: bucket.complete(upload, id: id).id)
        case .deleteVersion(let key, let id): bucket.delete(key, versionId: id)
        case .expireNoncurrent(let seconds): bucket.expireNoncurrent(olderThan: seconds)
        case .expireLonelyMarkers: bucket.expireLonelyMarkers()
        case .takeInventory(let number, let name, let milliseconds, let kind, let keys):
            let takenAt = Timestamp(milliseconds: bucket.clock * 1000 + milliseconds)
            reports[number] = InventoryReport(name: name, takenAt: takenAt, kind: kind, rows: [])
            reports[number]?.scan(bucket, keys)
        case .scan(let number, let keys): reports[number]?.scan(bucket, keys)
        }
        return step
    }
}
