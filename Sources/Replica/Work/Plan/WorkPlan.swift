import Basics
import Download
import Model
import S3
import Store

/// What a sync has to fetch, as all machines read it: `plan.json`. It counts once it is there, and no longer once it is gone:
/// the shards come before it, and go after it.
struct WorkPlan: Codable, Sendable {
    var format = WorkFormat.current
    var storeId: String
    var sync: String
    /// The inventory's name.
    var inventory: String
    var plannedAt: String
    var plannedBy: String
    /// How many shards there are: from 0 on.
    var shards: Int
    /// Wanted contents, and their bytes.
    var contents: Int
    var bytes: Int64
    /// How long a lease lasts, in seconds, after it was last renewed.
    var lease: Int
    /// The object store has no conditional writes: nobody but the syncing machine works.
    var isExclusive: Bool?
    var source: WorkSource
    /// Contents with fewer bytes go into packs.
    var packBelow: Int64
    /// Contents with at least so many bytes do not touch the local disk.
    var streamFrom: Int64
    var keepsHeaders: Bool
}

/// Where contents come from: an address, never credentials.
struct WorkSource: Codable, Sendable {
    var bucket: String
    var region: String?
    var endpointURL: String?
    var addressing: String?
    var noSignRequest: Bool?
    var requesterPays: Bool?
    /// The server's ETags say nothing of the bytes.
    var hasOpaqueETags: Bool?

    /// - Parameter environment: that of the process, which may name the server.
    init(_ configuration: StoreConfiguration, requesterPays: Bool, environment: [String: String]) throws {
        let access = try S3Configuration(
            region: configuration.region, endpointURL: configuration.endpointURL, profile: configuration.profile,
            unsigned: configuration.noSignRequest ?? false, environment: environment)
        bucket = configuration.bucket
        region = access.region
        endpointURL = access.endpointURL
        addressing = configuration.addressing
        noSignRequest = configuration.noSignRequest
        self.requesterPays = requesterPays || configuration.requesterPays == true ? true : nil
        hasOpaqueETags = configuration.etags == .opaque ? true : nil
    }
}

/// Some contents to fetch: one document of a plan, and what one machine takes at a time.
struct WorkShard: Codable, Sendable {
    var format = WorkFormat.current
    var shard: Int
    /// All requests for one content follow each other.
    var wants: [PlannedWant]

    /// Expects requests to be such as there can be.
    func check(_ place: String) throws(IcecoreError) {
        let times = -(1 << 53)...Int64(1 << 53)
        for want in wants {
            guard (0...Int64(ReplicaFormat.mostCounted)).contains(want.size), times.contains(want.modified),
                times.contains(want.replaced ?? 0), (1...1024).contains(want.key.bytes.count)
            else { throw IcecoreError(.damaged, "\(place) wants something that cannot be") }
        }
    }
}

/// A version to request.
struct PlannedWant: Codable, Sendable {
    var key: PlannedText
    var version: PlannedText?
    var etag: PlannedText
    /// What the content is filed under, unless that is the ETag.
    var content: PlannedText?
    var size: Int64
    /// As in ``FetchRequest``; absent: false.
    var latest: Bool?
    var opaque: Bool?
    var archived: Bool?
    var denied: Bool?
    var headers: Bool?
    /// Nothing but the headers is wanted.
    var headersOnly: Bool?
    /// What is known of the headers, as JSON.
    var known: String?
    var modified: Int64
    var replaced: Int64?

    init(_ want: FetchRequest, headersOnly: Bool) {
        key = PlannedText(want.key)
        version = want.versionId.map { PlannedText($0) }
        etag = PlannedText(Array(want.etag.description.utf8))
        content = want.isFiledByVersion ? PlannedText(Array(want.contentETag.description.utf8)) : nil
        size = want.size
        latest = want.isLatest ? true : nil
        opaque = want.isOpaque ? true : nil
        archived = want.isArchived ? true : nil
        denied = want.wasDenied ? true : nil
        headers = want.wantsHeaders ? true : nil
        self.headersOnly = headersOnly ? true : nil
        known = want.knownHeaders?.json
        modified = want.lastModified.milliseconds
        replaced = want.replacedAt == .distantFuture ? nil : want.replacedAt.milliseconds
    }

    var request: FetchRequest {
        var want = FetchRequest(
            key: key.bytes, versionId: version?.bytes, etag: ETag(etag.bytes),
            contentETag: content.map { ETag($0.bytes) },
            size: size, isLatest: latest ?? false, isOpaque: opaque ?? false, isArchived: archived ?? false,
            lastModified: Timestamp(milliseconds: modified),
            replacedAt: replaced.map { Timestamp(milliseconds: $0) } ?? .distantFuture)
        want.wasDenied = denied ?? false
        want.wantsHeaders = headers ?? false
        want.knownHeaders = known.flatMap { ObjectHeaders(json: Array($0.utf8)) }
        return want
    }
}
