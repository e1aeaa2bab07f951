/// The calls that list a bucket.
public enum S3ListingCall: String, Sendable {
    /// ListObjectVersions.
    case versions
    /// ListObjectsV2.
    case objects
    /// ListObjects, for servers that know nothing newer.
    case oldObjects
}

/// A place in a listing: it goes on behind it.
public struct S3ListingMarker: Hashable, Sendable {
    /// A key, or any other string of bytes; empty for the beginning.
    public var key: [UInt8]
    /// Of the versions of the key, the last that was listed; empty: all of them were.
    public var versionId: [UInt8] = []
    /// What the server calls the place, if that is needed.
    public var token: [UInt8] = []

    public init(after key: [UInt8]) {
        self.key = key
    }
}

extension S3Request {
    /// A page of a listing without a delimiter.
    ///
    /// Where the server is free to choose, it begins at or behind the marker: what is repeated has to be recognized.
    public static func listing(
        _ call: S3ListingCall, bucket: String, prefix: [UInt8] = [], from marker: S3ListingMarker
    ) -> S3Request {
        var request = S3Request(.get, bucket: bucket)
        request.query = [("encoding-type", Array("url".utf8))]
        if !prefix.isEmpty { request.query.append(("prefix", prefix)) }
        switch call {
        case .versions:
            request.query.append(("versions", []))
            if !marker.key.isEmpty {
                request.query.append(("key-marker", marker.key))
                if !marker.versionId.isEmpty { request.query.append(("version-id-marker", marker.versionId)) }
            }
        case .objects:
            request.query.append(("list-type", [UInt8(ascii: "2")]))
            if !marker.token.isEmpty {
                request.query.append(("continuation-token", marker.token))
            } else if !marker.key.isEmpty {
                request.query.append(("start-after", marker.key))
            }
        case .oldObjects:
            if !marker.key.isEmpty { request.query.append(("marker", marker.key)) }
        }
        return request
    }
}

extension S3VersionPage {
    /// Where the next page begins; nil after the last.
    ///
    /// The last entry decides, for markers are not to be relied on: some servers encode keys and not markers, some return
    /// the marker that was sent.
    public var next: S3ListingMarker? {
        guard isTruncated else { return nil }
        let said = copy(nextKey)
        let decoded = isEncoded ? PercentEncoding.decode(said) ?? said : said
        guard let last = rows.last else {
            var marker = S3ListingMarker(after: decoded)
            marker.versionId = copy(nextVersionId)
            marker.token = copy(nextToken)
            return marker
        }
        var marker = S3ListingMarker(after: copy(last.key))
        let isThere = said == marker.key || decoded == marker.key
        marker.versionId = isThere && !nextVersionId.isEmpty ? copy(nextVersionId) : copy(last.versionId)
        marker.token = copy(nextToken)
        return marker
    }
}
