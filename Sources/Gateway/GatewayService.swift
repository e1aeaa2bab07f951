import Basics
import Model
import Serving
import Web

/// The S3 side of a server: each date of a store as a bucket. Who may read is decided before: ``AccessRules``.
public struct GatewayService: WebService {
    let served: ServedStore
    let domain: String?

    /// - Parameter domain: names of hosts below it begin with a bucket's name.
    public init(_ served: ServedStore, domain: String? = nil) {
        self.served = served
        self.domain = domain
    }

    public func makeWorker() throws -> any WebWorker {
        GatewayWorker(try served.makeReader(), domain: domain)
    }
}

/// Answers requests of S3.
final class GatewayWorker: WebWorker {
    private let reader: ServedReader
    private let domain: String?

    init(_ reader: ServedReader, domain: String?) {
        self.reader = reader
        self.domain = domain
    }

    func answer(_ request: WebRequest) -> WebResponse {
        let frame = AnswerFrame()
        do {
            let call = try S3Call(request, domain: domain)
            return try reader.withState { try answer(call, $0, frame) }
        } catch let refusal as S3Refusal {
            return frame.response(refusal)
        } catch {
            return internalError(error, frame)
        }
    }

    func answer(failedBy error: any Error, _ request: WebRequest) -> WebResponse {
        internalError(error, AnswerFrame())
    }

    /// What failed may name files of this machine: that is for the log.
    private func internalError(_ error: any Error, _ frame: AnswerFrame) -> WebResponse {
        reader.served.report("request \(frame.requestId): \(error)")
        return frame.response(
            S3Refusal(500, "InternalError", "We encountered an internal error: this server's log says more."))
    }

    private func answer(_ call: S3Call, _ state: ServedReader, _ frame: AnswerFrame) throws -> WebResponse {
        try call.refuseOthers()
        if call.bucket.isEmpty { return try frame.document(BucketList.document(state)) }
        guard let name = String(validating: call.bucket, as: UTF8.self), let bucket = try state.bucket(name) else {
            throw S3Refusal.noSuchBucket(call.bucket)
        }
        if !call.key.isEmpty {
            let read = ObjectRead(call: call, bucket: bucket, state: state, frame: frame)
            if call.query.contains("tagging") { return try read.tagging() }
            if call.query.contains("attributes") { return try read.attributes() }
            return try read.object()
        }
        if call.isHead {
            return WebResponse(
                status: 200, headers: frame.headers + [("x-amz-bucket-region", "us-east-1")], body: .head(length: 0))
        }
        if call.query.contains("location") {
            return frame.document(XMLWriter("LocationConstraint").end("LocationConstraint"))
        }
        if call.query.contains("versioning") {
            var xml = XMLWriter("VersioningConfiguration")
            if bucket.hasVersions { xml.element("Status", "Enabled") }
            return frame.document(xml.end("VersioningConfiguration"))
        }
        if call.query.contains("versions") {
            return try frame.document(VersionListing(call, bucket).document(state))
        }
        return try frame.document(ObjectListing(call, bucket).document(state))
    }
}

/// The answer to ListBuckets.
enum BucketList {
    static func document(_ state: ServedReader) throws -> [UInt8] {
        var xml = XMLWriter("ListAllMyBucketsResult")
        Owner.write("Owner", to: &xml)
        xml.open("Buckets")
        for bucket in try state.allBuckets() {
            xml.open("Bucket")
            xml.element("Name", bucket.name)
            xml.element("CreationDate", bucket.view.time.listed)
            xml.close("Bucket")
        }
        xml.close("Buckets")
        return xml.end("ListAllMyBucketsResult")
    }
}

/// Whom everything belongs to: nobody knows who stored it.
enum Owner {
    static func write(_ name: StaticString, to xml: inout XMLWriter) {
        xml.open(name)
        xml.element("ID", "icecore")
        xml.element("DisplayName", "icecore")
        xml.close(name)
    }
}

extension Timestamp {
    /// As listings have it, always with milliseconds: `2026-03-15T01:00:00.000Z`.
    var listed: String {
        let text = rfc3339
        return text.contains(".") ? text : text.dropLast() + ".000Z"
    }
}
