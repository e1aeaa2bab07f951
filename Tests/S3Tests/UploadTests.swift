import Basics
import Testbed
import Testing

@testable import S3

/// A transfer that sends bytes which it makes as they are asked for.
private final class SendingTransfer: Transfer {
    private let content: [UInt8]
    private(set) var etag: String?
    private(set) var result: Result<Void, any Error>?

    init(_ request: S3Request, _ content: [UInt8], md5: [UInt8]? = nil) {
        self.content = content
        var request = request
        request.uploadLength = Int64(content.count)
        if let md5 { request.setContentMD5(md5) }
        super.init(request)
    }

    override func supply(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws -> Int {
        let piece = content[Int(offset)...].prefix(buffer.count)
        buffer.copyBytes(from: piece)
        return piece.count
    }

    override func begin(_ head: S3ResponseHead) throws { etag = head.etag }

    override func finished(_ result: Result<Void, any Error>) throws { self.result = result }
}

extension S3Client {
    fileprivate func beginUpload(
        _ bucket: String, _ key: [UInt8], headers: [(name: String, value: String)] = []
    ) throws -> String {
        try S3UploadAnswer.id(
            send(.beginningUpload(bucket: bucket, key: key, headers: headers)).bytes)
    }

    fileprivate func completeUpload(
        _ bucket: String, _ key: [UInt8], id: String, etags: [String], size: Int64
    ) throws {
        var result: Result<UploadCompletion.Completed, any Error>?
        let completion = UploadCompletion(bucket: bucket, key: key, id: id, etags: etags, size: size) { result = $0 }
        while let transfer = completion.next() { try run(transfer) }
        _ = try result?.get()
    }
}

/// Against Ceph's gateway, which verifies what it is sent.
@Suite(.serialized) struct UploadTests {
    @Test func whatIsSentAsItIsReadArrives() throws {
        let server = try RGWServer.shared()
        let bucket = try ObjectTests.bucket(S3Admin(server), "upload")
        let client = try S3Client(server)
        for size in [0, 1, 4096, 300_000] {
            let content = synthetic(size, "sent")
            let key = bytes("of \(size)")
            let transfer = SendingTransfer(
                S3Request(.put, bucket: bucket, key: key), content, md5: MD5.digest(content))
            try client.run(transfer)
            try transfer.result?.get()
            #expect(transfer.etag == Hex.encode(MD5.digest(content)))
            #expect(try client.get(bucket: bucket, key: key, limit: 4_000_000).bytes == content)
        }
    }

    @Test func wrongBytesAreRefusedByTheServer() throws {
        let server = try RGWServer.shared()
        let bucket = try ObjectTests.bucket(S3Admin(server), "upload")
        let client = try S3Client(server)
        let transfer = SendingTransfer(
            S3Request(.put, bucket: bucket, key: bytes("k")), bytes("these"), md5: MD5.digest(bytes("those")))
        try client.run(transfer)
        let refusal = try failure { try transfer.result?.get() }
        #expect(refusal.code == "BadDigest")
        #expect(try failure { _ = try client.head(bucket: bucket, key: bytes("k")) }.isNotFound)
    }

    @Test(arguments: ["RGW", "moto"]) func partsBecomeOneObject(_ kind: String) throws {
        let server: S3Server = kind == "RGW" ? try RGWServer.shared() : try MotoServer.shared()
        let bucket = try ObjectTests.bucket(S3Admin(server), "parts")
        let client = try S3Client(server)
        let key = bytes("a folder/with space+plus")
        let id = try client.beginUpload(bucket, key, headers: [("x-amz-tagging", "icecore=temporary")])
        let other = try client.beginUpload(bucket, key + bytes("/longer"))
        #expect(try client.unfinishedUploads(bucket: bucket, key: key) == [S3UnfinishedUpload(key: key, id: id)])

        let parts = [1, 2, 3].map { [UInt8](repeating: $0, count: $0 < 3 ? 5 << 20 : 70_000) }
        var etags: [String] = []
        for (index, part) in parts.enumerated() {
            let request = S3Request.part(index + 1, ofUpload: id, bucket: bucket, key: key)
            let transfer = SendingTransfer(request, part, md5: MD5.digest(part))
            try client.run(transfer)
            try transfer.result?.get()
            etags.append(try #require(transfer.etag))
        }
        #expect(etags == parts.map { Hex.encode(MD5.digest($0)) })
        try client.completeUpload(bucket, key, id: id, etags: etags, size: (10 << 20) + 70_000)
        let object = try client.get(bucket: bucket, key: key, limit: 20 << 20)
        #expect(object.bytes == Array(parts.joined()))
        #expect(object.head.etag?.hasSuffix("-3") == true)

        try client.abortUpload(bucket: bucket, key: key + bytes("/longer"), id: other)
        try client.abortUpload(bucket: bucket, key: key + bytes("/longer"), id: other)
        #expect(try client.unfinishedUploads(bucket: bucket, key: key + bytes("/longer")).isEmpty)
    }

    @Test func anUploadThatCannotBeCompletedSaysSo() throws {
        let server = try FaultServer()
        // S3 says 200 before it knows.
        try server.can(
            "/bucket/key?uploadId=u",
            .init(body: "<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>")
        )
        let client = try S3Client(server)
        let refusal = try failure {
            try client.completeUpload("bucket", bytes("key"), id: "u", etags: ["x"], size: 1)
        }
        #expect(refusal.code == "InternalError")
        #expect(try server.statistics().requests > 1, "it may pass")
    }

    /// An answer may be lost after the server has done what it was asked to do.
    @Test func whatWasCompletedAlreadyIsFine() throws {
        let server = try FaultServer()
        let gone = FaultServer.Canned(
            status: 404, body: "<Error><Code>NoSuchUpload</Code><Message>Nothing.</Message></Error>")
        try server.can("/bucket/key?uploadId=u", .init(status: 500), gone)
        let parts = [Hex.encode(MD5.digest(bytes("a"))), Hex.encode(MD5.digest(bytes("b")))]
        let whole = Hex.encode(MD5.digest(MD5.digest(bytes("a")) + MD5.digest(bytes("b")))) + "-2"
        let client = try S3Client(server)
        func complete(_ size: Int64, _ etags: [String]) throws {
            try client.completeUpload("bucket", bytes("key"), id: "u", etags: etags, size: size)
        }
        let object = FaultServer.Canned(headers: [("ETag", "\"\(whole)\"")], body: "ab")
        try server.can("/bucket/key", object)
        try complete(2, parts)
        // Something else lies there.
        #expect(try failure { try complete(3, parts) }.code == "NoSuchUpload")
        #expect(try failure { try complete(2, parts.reversed()) }.code == "NoSuchUpload")
        #expect(try failure { try complete(2, ["x"]) }.code == "NoSuchUpload")
        try server.can("/bucket/key", .init(status: 404))
        #expect(try failure { try complete(2, parts) }.code == "NoSuchUpload")
    }
}
