import Basics
import Index
import Model
import Serving
import Web

/// GetObject, HeadObject, GetObjectTagging and GetObjectAttributes.
struct ObjectRead {
    let call: S3Call
    let bucket: ServedBucket
    let state: ServedReader
    let frame: AnswerFrame

    /// A version that was asked for.
    struct FoundVersion {
        var entry: KeyVersions.Entry
        /// nil: the source gave none.
        var publicId: [UInt8]?
    }

    // MARK: - Which version

    func find() throws -> FoundVersion {
        if let wanted = call.query["versionId"] {
            guard !wanted.isEmpty else {
                throw S3Refusal.invalidArgument("Version id cannot be the empty string", "versionId", wanted)
            }
            return try find(wanted)
        }
        guard let entry = try state.index.current(call.key, bucket.view) else { throw S3Refusal.noSuchKey(call.key) }
        let found = FoundVersion(
            entry: entry, publicId: entry.identity.versionId.map { $0.isEmpty ? Array("null".utf8) : $0 })
        if entry.identity.isMarker {
            throw S3Refusal.noSuchKey(call.key, [("x-amz-delete-marker", "true")] + versionHeader(found))
        }
        return found
    }

    private func find(_ wanted: [UInt8]) throws -> FoundVersion {
        var found: FoundVersion?
        if bucket.hasVersions {
            if let versions = try state.index.versions(ofKey: call.key) {
                let place = PublicVersion.all(versions).firstIndex { $0.id == wanted }
                found = place.map { FoundVersion(entry: versions.versions[$0], publicId: wanted) }
            }
        } else if let entry = try state.index.current(call.key, bucket.view),
            PublicVersion.id(entry.identity) == wanted
        {
            found = FoundVersion(entry: entry, publicId: wanted)
        }
        guard let found else { throw S3Refusal.noSuchVersion(call.key, wanted) }
        if found.entry.identity.isMarker {
            throw S3Refusal(
                405, "MethodNotAllowed", "The specified method is not allowed against this resource.",
                details: [("Method", Array(call.request.method.utf8)), ("ResourceType", Array("DeleteMarker".utf8))],
                headers: [
                    ("Allow", "DELETE"), ("x-amz-delete-marker", "true"),
                    ("Last-Modified", found.entry.identity.lastModified.http),
                ] + versionHeader(found))
        }
        return found
    }

    func versionHeader(_ found: FoundVersion) -> [(name: String, value: String)] {
        guard let id = found.publicId else { return [] }
        return [("x-amz-version-id", String(decoding: id, as: UTF8.self))]
    }

    // MARK: - The object

    func object() throws -> WebResponse {
        let found = try find()
        let identity = found.entry.identity
        var headers = frame.headers + [("Last-Modified", identity.lastModified.http)]
        if let etag = identity.etag?.known { headers.append(("ETag", "\"\(etag)\"")) }
        headers += versionHeader(found)
        let conditions = Conditions(call.request, etag: identity.etag?.known, lastModified: identity.lastModified)
        switch conditions.verdict {
        case .holds: break
        case .notModified: return WebResponse(status: 304, headers: headers)
        case .failed(let name):
            throw S3Refusal(
                412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold",
                details: [("Condition", Array(name.utf8))])
        }
        var part: Range<Int64>?
        if let text = call.query["partNumber"] {
            let (range, count) = try self.part(text, identity)
            part = range.isEmpty ? nil : range
            if let count { headers.append(("x-amz-mp-parts-count", String(count))) }
        }
        let range = try part ?? (conditions.allowsRange ? ByteRange(call.request)?.range(of: identity.size) : nil)
        headers.append(("Accept-Ranges", "bytes"))
        headers += try describing(found)
        // Of all bytes: whoever asks for a part of them has nothing to compare it with.
        if range == nil, call.request.header("x-amz-checksum-mode")?.uppercased() == "ENABLED",
            let checksum = try checksum(found)
        {
            headers += [("x-amz-checksum-sha256", checksum), ("x-amz-checksum-type", "FULL_OBJECT")]
        }
        if let range {
            headers.append(("Content-Range", "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(identity.size)"))
        }
        let sent = range ?? 0..<identity.size
        let body: WebBody = call.isHead ? .head(length: Int64(sent.count)) : try self.body(found, sent)
        return WebResponse(status: range == nil ? 200 : 206, headers: headers, body: body)
    }

    private func body(_ found: FoundVersion, _ range: Range<Int64>) throws -> WebBody {
        let (identity, flags) = (found.entry.identity, found.entry.flags)
        let content = try state.content(identity, flags, key: call.key, isLatest: found.entry.isLatest)
        switch content {
        case .empty: return .bytes([])
        case .here(let blob):
            guard blob.size == identity.size else {
                throw IcecoreError(.damaged, "a blob has another size than its version")
            }
            return .content(blob, range)
        case .elsewhere(let absent):
            if range.isEmpty { return .bytes([]) }
            let pieces = absent.pieces(range)
            let (frame, key, served) = (frame, call.key, state.served)
            var isFirst = true
            return .pieces(length: Int64(range.count)) {
                defer { isFirst = false }
                do {
                    return try pieces()
                } catch let error as IcecoreError where isFirst {
                    served.report("request \(frame.requestId): \(error)")
                    throw WebFailure(frame.response(Unavailable.refusal(error, key)))
                }
            }
        case .unavailable(let state): throw Unavailable.refusal(state, call.key)
        }
    }

    // MARK: - Headers

    private static let overrides: [(parameter: StaticString, header: String)] = [
        ("response-cache-control", "Cache-Control"), ("response-content-disposition", "Content-Disposition"),
        ("response-content-encoding", "Content-Encoding"), ("response-content-language", "Content-Language"),
        ("response-content-type", "Content-Type"), ("response-expires", "Expires"),
    ]

    private static let kept: [(field: String, header: String)] = [
        ("cache-control", "Cache-Control"), ("content-disposition", "Content-Disposition"),
        ("content-encoding", "Content-Encoding"), ("content-language", "Content-Language"),
        ("content-type", "Content-Type"), ("expires", "Expires"),
        ("x-amz-website-redirect-location", "x-amz-website-redirect-location"),
    ]

    /// What the object was stored with, and what the request wants instead.
    private func describing(_ found: FoundVersion) throws -> [(name: String, value: String)] {
        let known = try state.index.headers(of: found.entry, key: call.key)
        var headers: [(name: String, value: String)] = []
        var replaced: Set<String> = []
        for (parameter, header) in ObjectRead.overrides {
            guard let value = call.query[parameter] else { continue }
            guard value.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
                throw S3Refusal.invalidArgument("A header cannot hold this", "\(parameter)", value)
            }
            headers.append((header, String(decoding: value, as: UTF8.self)))
            replaced.insert(header)
        }
        for (field, header) in ObjectRead.kept where !replaced.contains(header) {
            let value = known?.fields[field] ?? (field == "content-type" ? "binary/octet-stream" : nil)
            if let value { headers.append((header, value)) }
        }
        for (name, value) in known?.metadata ?? [] {
            headers.append((ObjectHeaders.metadataPrefix + name, value))
        }
        if let count = known?.tags.count, count > 0 { headers.append(("x-amz-tagging-count", String(count))) }
        let storageClass = found.entry.flags.storageClass
        if storageClass != "STANDARD" { headers.append(("x-amz-storage-class", storageClass)) }
        return headers
    }

    // MARK: - Parts

    /// The bytes of a part, and how many there are; nil for an object that was not uploaded in parts.
    private func part(_ text: [UInt8], _ identity: VersionIdentity) throws -> (Range<Int64>, count: Int?) {
        guard let number = Int(String(decoding: text, as: UTF8.self)), (1...PartLayout.mostParts).contains(number)
        else {
            throw S3Refusal.invalidArgument(
                "Part number must be an integer between 1 and 10000, inclusive", "partNumber", text)
        }
        if call.request.header("range") != nil {
            throw S3Refusal(400, "InvalidRequest", "Cannot specify both Range header and partNumber query parameter.")
        }
        guard let etag = identity.etag, etag.verbatim == nil, etag.parts > 0 else {
            guard number == 1 else { throw ObjectRead.invalidPart }
            return (0..<identity.size, nil)
        }
        guard number <= Int(etag.parts) else { throw ObjectRead.invalidPart }
        if etag.parts == 1 { return (0..<identity.size, 1) }
        guard let layout = try state.index.blobFacts(etag: etag, size: identity.size).parts else {
            throw S3Refusal.notImplemented("?partNumber of an object whose parts are not known")
        }
        guard layout.count(ofSize: identity.size) == Int(etag.parts) else { throw ObjectRead.invalidPart }
        var start: Int64 = 0
        for earlier in 0..<number - 1 {
            start = min(identity.size, start.addingReportingOverflow(layout.length(ofPart: earlier)).partialValue)
        }
        let (end, overflow) = start.addingReportingOverflow(layout.length(ofPart: number - 1))
        return (start..<(overflow ? identity.size : min(identity.size, end)), Int(etag.parts))
    }

    private static let invalidPart = S3Refusal(
        416, "InvalidPartNumber", "The requested partnumber is not satisfiable")

    // MARK: - What is said of it

    func tagging() throws -> WebResponse {
        let found = try find()
        guard let headers = try state.index.headers(of: found.entry, key: call.key),
            headers.isComplete || !headers.tags.isEmpty
        else {
            throw S3Refusal.notImplemented("?tagging of a version whose tags are not known")
        }
        var xml = XMLWriter("Tagging")
        xml.open("TagSet")
        for (name, value) in headers.tags.sorted(by: { $0.key < $1.key }) {
            xml.open("Tag")
            xml.element("Key", name)
            xml.element("Value", value)
            xml.close("Tag")
        }
        xml.close("TagSet")
        var response = frame.document(xml.end("Tagging"))
        response.headers += versionHeader(found)
        return response
    }
}

/// Why a content cannot be had.
enum Unavailable {
    static func refusal(_ state: ContentState, _ key: [UInt8]) -> S3Refusal {
        func gone(_ why: String) -> S3Refusal {
            S3Refusal(404, "NoSuchKey", "The content of this version \(why).", details: [("Key", key)])
        }
        switch state {
        case .archived:
            return S3Refusal(
                403, "InvalidObjectState",
                "The operation is not valid for the object's storage class: its content has to be restored in the bucket, "
                    + "and then to be synced.", details: [("Key", key)])
        case .refused:
            return S3Refusal(
                403, "AccessDenied", "The bucket refuses the content of this version to the store.",
                details: [("Key", key)])
        case .gone: return gone("is gone: the bucket no longer had it when it was requested")
        case .pruned: return gone("was pruned: no kept date shows it")
        case .present, .missing, .unrequested: return gone("is not in the store, and is not fetched")
        }
    }

    /// What the source said to a request for a content. Its own words may name more than a client of this server may know.
    static func refusal(_ error: IcecoreError, _ key: [UInt8]) -> S3Refusal {
        switch error.code {
        case .notFound:
            S3Refusal(404, "NoSuchKey", "The source does not have this version any more.", details: [("Key", key)])
        case .forbidden:
            S3Refusal(403, "AccessDenied", "The source refuses the content of this version.", details: [("Key", key)])
        case .unsupported:
            S3Refusal(
                403, "InvalidObjectState", "The source does not give out the content of this version.",
                details: [("Key", key)])
        case .unavailable, .interrupted, .busy:
            S3Refusal(503, "ServiceUnavailable", "The source of this content cannot be reached.")
        default: S3Refusal(500, "InternalError", "The content could not be fetched: this server's log says more.")
        }
    }
}
