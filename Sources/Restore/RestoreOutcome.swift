import Basics

/// What has become of the objects of a view, and of those that the target had besides.
public struct RestoreOutcome: Sendable {
    public struct Tally: Sendable, Equatable {
        public var objects: Int64 = 0
        public var bytes: Int64 = 0

        mutating func add(_ size: Int64) {
            objects += 1
            bytes = bytes.addingClamped(size)
        }
    }

    /// The target had them already.
    public var equal = Tally()
    /// Copied inside S3.
    public var copied = Tally()
    public var uploaded = Tally()
    /// Only their tags were changed.
    public var retagged = Tally()
    /// Were not in the view.
    public var deleted = Tally()
    /// Their contents could not be had.
    public var unavailable = Tally()
    /// The target refused them.
    public var failed = Tally()
    /// Of those that were written: the target gave them another ETag.
    public var otherETags: Int64 = 0
    /// Requests to the target, and to the source.
    public var requests = 0

    /// How many objects of the view are dealt with.
    public var done: Int64 {
        equal.objects + copied.objects + uploaded.objects + retagged.objects + unavailable.objects + failed.objects
    }
}

/// What somebody may want to hear of a single object.
public enum RestoreEvent: Sendable {
    /// Its content cannot be had.
    case unavailable(key: [UInt8], reason: String)
    /// The target refused it.
    case failed(key: [UInt8], reason: String)
    /// In a rehearsal: it would be deleted. The key is the target's.
    case wouldDelete(key: [UInt8])
}
