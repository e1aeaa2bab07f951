import Basics
import Foundation
import Index
import Model
import Web

extension ObjectRead {
    /// The SHA-256 of a content, where the index knows it, in Base64: its blob is named by it.
    func checksum(_ found: FoundVersion) throws -> String? {
        let identity = found.entry.identity
        guard let etag = identity.contentETag(key: call.key, found.entry.flags),
            let digest = try state.index.blobFacts(etag: etag, size: identity.size).sha256
        else { return nil }
        return Data(digest).base64EncodedString()
    }

    func attributes() throws -> WebResponse {
        let asked = (call.request.header("x-amz-object-attributes") ?? "").split(separator: ",").map {
            $0.filter { $0 != " " }
        }
        let known: Set<String> = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
        guard !asked.isEmpty, asked.allSatisfy({ known.contains($0) }) else {
            throw S3Refusal.invalidArgument(
                "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty",
                "x-amz-object-attributes", [])
        }
        let found = try find()
        let identity = found.entry.identity
        var xml = XMLWriter("GetObjectAttributesResponse")
        if asked.contains("ETag"), let etag = identity.etag?.known { xml.element("ETag", etag) }
        if asked.contains("Checksum"), let checksum = try checksum(found) {
            xml.open("Checksum")
            xml.element("ChecksumSHA256", checksum)
            xml.element("ChecksumType", "FULL_OBJECT")
            xml.close("Checksum")
        }
        if asked.contains("ObjectParts") { try writeParts(identity, to: &xml) }
        if asked.contains("StorageClass") { xml.element("StorageClass", found.entry.flags.storageClass) }
        if asked.contains("ObjectSize") { xml.element("ObjectSize", identity.size) }
        var response = frame.document(xml.end("GetObjectAttributesResponse"))
        response.headers += [("Last-Modified", identity.lastModified.http)] + versionHeader(found)
        return response
    }

    /// A page of an object's parts; where the store does not know them, how many there are.
    private func writeParts(_ identity: VersionIdentity, to xml: inout XMLWriter) throws {
        guard let etag = identity.etag, etag.verbatim == nil, etag.parts > 0 else { return }
        let count = Int(etag.parts)
        let most = min(1000, try number("x-amz-max-parts") ?? 1000)
        let marker = try number("x-amz-part-number-marker") ?? 0
        xml.open("ObjectParts")
        defer { xml.close("ObjectParts") }
        xml.element("PartsCount", Int64(count))
        let layout = try state.index.blobFacts(etag: etag, size: identity.size).parts
        guard let layout = layout ?? (count == 1 ? .even(max(1, identity.size)) : nil),
            layout.count(ofSize: identity.size) == count
        else { return }
        let end = min(count, marker.addingReportingOverflow(most).partialValue)
        xml.element("PartNumberMarker", Int64(marker))
        if end > marker { xml.element("NextPartNumberMarker", Int64(end)) }
        xml.element("MaxParts", Int64(most))
        xml.element("IsTruncated", end < count && most > 0)
        var start: Int64 = 0
        for part in 0..<max(0, end) {
            let next = start.addingReportingOverflow(layout.length(ofPart: part))
            let stop = next.overflow ? identity.size : min(identity.size, next.partialValue)
            if part >= marker {
                xml.open("Part")
                xml.element("PartNumber", Int64(part + 1))
                xml.element("Size", stop - start)
                xml.close("Part")
            }
            start = stop
        }
    }

    private func number(_ name: String) throws(S3Refusal) -> Int? {
        guard let text = call.request.header(name) else { return nil }
        guard let number = Int32(text.trimmingSpaces), number >= 0 else {
            throw .invalidArgument("\(name) must be an integer between 0 and 2147483647", name, Array(text.utf8))
        }
        return Int(number)
    }
}
