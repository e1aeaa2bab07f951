import Basics
import Index
import Model
import Serving

/// ListObjects, of both versions.
struct ObjectListing {
    private let bucket: ServedBucket
    private let call: S3Call
    private let query: ListingQuery
    private let isV2: Bool

    init(_ call: S3Call, _ bucket: ServedBucket) throws(S3Refusal) {
        self.call = call
        self.bucket = bucket
        query = try ListingQuery(call)
        isV2 = call.query["list-type"].map { $0.elementsEqual("2".utf8) } ?? false
    }

    private struct ObjectPage {
        /// What each key's element holds.
        var contents: XMLWriter
        var prefixes: [[UInt8]] = []
        var count = 0
        var isTruncated = false
        /// The key or prefix that came last.
        var last: [UInt8] = []
    }

    func document(_ state: ServedReader) throws -> [UInt8] {
        let page = try page(state)
        var xml = XMLWriter("ListBucketResult")
        xml.element("Name", bucket.name)
        query.element("Prefix", query.prefix, to: &xml)
        if isV2 {
            if let start = call.query["start-after"] { query.element("StartAfter", start, to: &xml) }
            if let token = call.query["continuation-token"] { xml.element("ContinuationToken", token) }
            if page.isTruncated { xml.element("NextContinuationToken", ListingToken.text(page.last)) }
            xml.element("KeyCount", Int64(page.count))
        } else {
            query.element("Marker", call.query["marker"] ?? [], to: &xml)
            if page.isTruncated, !query.delimiter.isEmpty { query.element("NextMarker", page.last, to: &xml) }
        }
        query.end(page.isTruncated, to: &xml)
        xml.append(page.contents)
        query.writePrefixes(page.prefixes, to: &xml)
        return xml.end("ListBucketResult")
    }

    private func page(_ state: ServedReader) throws -> ObjectPage {
        var page = ObjectPage(contents: XMLWriter())
        var bounds = query.bounds
        guard query.maxKeys > 0 else { return page }
        if let marker = try marker(), !marker.isEmpty, !bounds.begin(after: marker) { return page }
        let hasOwner = !isV2 || call.query["fetch-owner"].map { $0.elementsEqual("true".utf8) } ?? false
        try state.index.list(bounds, bucket.view) { item in
            guard page.count < query.maxKeys else {
                page.isTruncated = true
                return false
            }
            page.count += 1
            switch item {
            case .prefix(let prefix):
                page.prefixes.append(prefix)
                page.last = prefix
            case .key(let key, let row):
                page.contents.open("Contents")
                query.element("Key", key, to: &page.contents)
                page.contents.writeVersion(row.identity, row.flags)
                if hasOwner { Owner.write("Owner", to: &page.contents) }
                page.contents.close("Contents")
                page.last = key
            }
            return true
        }
        return page
    }

    /// What the page comes after.
    private func marker() throws(S3Refusal) -> [UInt8]? {
        guard isV2 else { return call.query["marker"] }
        if let token = call.query["continuation-token"], !token.isEmpty {
            guard let marker = ListingToken.marker(token) else {
                throw .invalidArgument("The continuation token provided is incorrect", "continuation-token", token)
            }
            return marker
        }
        return call.query["start-after"]
    }
}

/// Where the next page of ListObjectsV2 begins, in a form that nobody reads anything into.
enum ListingToken {
    private static let mark: UInt8 = 0x69

    static func text(_ marker: [UInt8]) -> String { Hex.encode([mark] + marker) }

    /// - Returns: nil for what ``text(_:)`` does not make.
    static func marker(_ text: [UInt8]) -> [UInt8]? {
        guard let bytes = Hex.decode(text), bytes.first == mark else { return nil }
        return Array(bytes.dropFirst())
    }
}
