import Basics

/// Where a store has its contents if not on its own disk: in an object store, in the layout of a replica, which it is. Part
/// of icecore.json.
public struct ObjectStore: Codable, Sendable, Equatable {
    /// `s3://bucket/prefix`.
    public var url: String
    /// Of the replica: lower-case letters, digits and `-`.
    public var replicaId: String
    public var region: String?
    public var endpointURL: String?
    /// Where requests name the bucket: `path` or `virtual`; nil for what suits the server.
    public var addressing: String?
    public var profile: String?
    /// How many bytes of contents may be on the local disk on their way.
    public var spool: Int64
    /// Contents with at least so many bytes go from the source to the object store without the local disk.
    public var streamFrom: Int64

    public static let usualSpool: Int64 = 2 << 30
    public static let usualStreamFrom: Int64 = 16 << 20
    /// A pack, and contents on their way to one, need as much.
    public static let leastSpool: Int64 = 64 << 20
    /// What goes into packs unless told otherwise.
    public static let usualPackBelow: Int64 = 1 << 20

    public init(
        url: String, replicaId: String, spool: Int64 = ObjectStore.usualSpool,
        streamFrom: Int64 = ObjectStore.usualStreamFrom
    ) {
        self.url = url
        self.replicaId = replicaId
        self.spool = spool
        self.streamFrom = streamFrom
    }
}

extension Store {
    /// Refuses what only makes sense where contents are on the local disk.
    ///
    /// - Parameters:
    ///   - what: the command, as the subject of a sentence.
    ///   - instead: what to do, as a sentence without its end.
    public func refuseObjectStore(_ what: String, instead: String) throws(IcecoreError) {
        guard let place = configuration.objectStore else { return }
        throw IcecoreError(
            .unsupported, "\(what) needs contents on this disk, and those of '\(path)' are at \(place.url): \(instead)")
    }
}
