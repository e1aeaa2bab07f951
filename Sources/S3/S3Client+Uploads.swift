import Basics

/// One upload in parts that was begun and neither completed nor aborted.
public struct S3UnfinishedUpload: Sendable, Equatable {
    public var key: [UInt8] = []
    public var id = ""
}

/// An upload in parts that has just begun.
public struct S3NewUpload: Sendable, Equatable {
    public var id = ""
    /// The request was made more than once: an answer may have been lost, and an upload whose id nobody knows be there.
    public var mayHaveTwin = false
}

extension S3Client {
    /// Begins an upload in parts.
    ///
    /// - Parameter headers: of the object to be, such as `x-amz-tagging`.
    public func createUpload(bucket: String, key: [UInt8], headers: [(name: String, value: String)] = []) throws
        -> S3NewUpload
    {
        var request = S3Request(.post, bucket: bucket, key: key)
        request.query = [("uploads", [])]
        request.headers = headers
        request.payload = []
        let transfer = CollectingTransfer(request, limit: 1 << 20)
        try run(transfer)
        let answer = try transfer.object()
        guard
            let id = try XMLFields.read(answer.bytes, root: "InitiateMultipartUploadResult")["UploadId"], !id.isEmpty
        else { throw IcecoreError(.invalidData, "the server began an upload without an id") }
        return S3NewUpload(id: id, mayHaveTwin: transfer.progress.attempts > 1)
    }

    /// Makes an object of the parts that were sent.
    ///
    /// - Parameters:
    ///   - etags: of the parts 1, 2, …, as the server gave them.
    ///   - size: of all parts together.
    public func completeUpload(bucket: String, key: [UInt8], id: String, etags: [String], size: Int64) throws {
        do {
            try completeUpload(bucket: bucket, key: key, id: id, etags: etags)
        } catch let failure as S3Failure where failure.code == "NoSuchUpload" {
            // Asked again because an answer was lost, a server may know no more of what it has completed.
            let head = try? head(bucket: bucket, key: key)
            guard let head, head.contentLength == size, let etag = S3Client.etag(ofParts: etags), head.etag == etag
            else { throw failure }
        }
    }

    /// What an object of such parts has for an ETag; nil: they are not MD5s.
    private static func etag(ofParts etags: [String]) -> String? {
        var whole = MD5()
        for etag in etags {
            guard etag.count == 32, let digest = Hex.decode(Array(etag.utf8)) else { return nil }
            digest.withUnsafeBytes { whole.update($0) }
        }
        return "\(Hex.encode(whole.finalize()))-\(etags.count)"
    }

    private func completeUpload(bucket: String, key: [UInt8], id: String, etags: [String]) throws {
        var xml = "<CompleteMultipartUpload>"
        for (index, etag) in etags.enumerated() {
            xml += "<Part><PartNumber>\(index + 1)</PartNumber><ETag>\"\(S3Client.escaped(etag))\"</ETag></Part>"
        }
        xml += "</CompleteMultipartUpload>"
        var request = S3Request(.post, bucket: bucket, key: key)
        request.query = [("uploadId", Array(id.utf8))]
        request.headers = [("Content-Type", "application/xml")]
        request.payload = Array(xml.utf8)
        // Putting the parts together takes long, so S3 says 200 before it knows how it ends.
        let transfer = CollectingTransfer(request, limit: 1 << 20) { bytes in
            if (try? XMLFields.read(bytes, root: "CompleteMultipartUploadResult")) != nil { return }
            let fields = (try? XMLFields.read(bytes, root: "Error")) ?? [:]
            throw S3Failure(
                .response, status: 500, code: Display.text(fields["Code"] ?? "", limit: 100),
                message: Display.text(
                    fields["Message"] ?? "the server did not say that the upload is complete", limit: 300))
        }
        try run(transfer)
        _ = try transfer.object()
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;")
    }

    /// Gives up an upload in parts. One that is gone already is fine.
    public func abortUpload(bucket: String, key: [UInt8], id: String) throws {
        var request = S3Request(.delete, bucket: bucket, key: key)
        request.query = [("uploadId", Array(id.utf8))]
        do {
            _ = try send(request)
        } catch let failure as S3Failure where failure.isNotFound && failure.code != "NoSuchBucket" {
            return
        }
    }

    /// The unfinished uploads of one key, which must be one that XML can hold.
    public func unfinishedUploads(bucket: String, key: [UInt8]) throws -> [S3UnfinishedUpload] {
        var found: [S3UnfinishedUpload] = []
        var marker: (key: [UInt8], id: [UInt8])?
        while true {
            var request = S3Request(.get, bucket: bucket)
            // Without encoding-type: Ceph's gateway encodes the keys and does not say so.
            request.query = [("uploads", []), ("prefix", key)]
            if let marker {
                request.query += [("key-marker", marker.key), ("upload-id-marker", marker.id)]
            }
            let page = try UploadListReader.read(try send(request, limit: 16 << 20).bytes)
            found += page.uploads.filter { $0.key == key }
            guard let next = page.next, found.count < 10_000 else { return found }
            if let marker, marker.key == next.key, marker.id == next.id {
                throw IcecoreError(.invalidData, "the server's list of uploads does not go on: the same page again")
            }
            marker = next
        }
    }
}

/// Reads the XML of ListMultipartUploads.
private enum UploadListReader {
    static func read(_ xml: [UInt8]) throws(IcecoreError)
        -> (uploads: [S3UnfinishedUpload], next: (key: [UInt8], id: [UInt8])?)
    {
        var reader = XMLReader(xml)
        var uploads: [S3UnfinishedUpload] = []
        var fields: [String: [UInt8]] = [:]
        var path: [String] = []
        var text: [UInt8] = []
        var current = S3UnfinishedUpload()
        loop: while true {
            switch try reader.next() {
            case .start(let name):
                path.append(name)
                text = []
                if path.count == 1, name != "ListMultipartUploadsResult" {
                    throw IcecoreError(.invalidData, "the server's list of uploads is none")
                }
                if path.count == 2, name == "Upload" { current = S3UnfinishedUpload() }
            case .text(let more): text += more
            case .end:
                if path.count == 2 {
                    if path[1] == "Upload" { uploads.append(current) } else { fields[path[1]] = text }
                } else if path.count == 3, path[1] == "Upload" {
                    if path[2] == "Key" { current.key = text }
                    if path[2] == "UploadId" { current.id = String(decoding: text, as: UTF8.self) }
                }
                path.removeLast()
                text = []
            case .endOfDocument: break loop
            }
        }
        guard fields["IsTruncated"].map({ $0.elementsEqual("true".utf8) }) == true,
            let key = fields["NextKeyMarker"], let id = fields["NextUploadIdMarker"]
        else { return (uploads, nil) }
        return (uploads, (key, id))
    }
}
