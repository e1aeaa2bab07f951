import Basics
import Foundation
import Testbed
import Testing

/// The checksums that S3 keeps of objects: they vouch for contents of which the ETag says nothing.
@Suite struct ChecksumTests {
    typealias Row = InventoryFolder.Row

    private static let name = "2024-03-02T01-00Z"
    private static let chunked = ["--chunk-threshold", "1M", "--chunk-size", "1M"]
    /// Of sizes that no tool uses.
    private static let sizes = [6, 5, 6].map { $0 * 100_003 }

    /// A way to make checksums, by its name in headers and in messages.
    enum Algorithm: String, CaseIterable {
        case crc64nvme = "CRC64NVME", crc32c = "CRC32C", crc32 = "CRC32", sha256 = "SHA-256", sha1 = "SHA-1"

        var header: String { "x-amz-checksum-\(rawValue.lowercased().filter { $0 != "-" })" }

        func digest(_ bytes: [UInt8]) -> [UInt8] {
            func check(_ function: CRC.Function) -> [UInt8] {
                var crc = CRC(function)
                bytes.withUnsafeBytes { crc.update($0) }
                return crc.digest
            }
            switch self {
            case .crc64nvme: return check(.crc64nvme)
            case .crc32c: return check(.crc32c)
            case .crc32: return check(.crc32)
            case .sha256: return SHA256.digest(bytes)
            case .sha1: return SHA1.digest(bytes)
            }
        }

        /// As AWS sends the checksum of all bytes.
        func whole(_ content: [UInt8]) -> [(String, String)] {
            [(header, Data(digest(content)).base64EncodedString()), ("x-amz-checksum-type", "FULL_OBJECT")]
        }

        /// As AWS sends the checksum of the parts' checksums.
        func composite(_ content: [UInt8], _ sizes: [Int]) -> [(String, String)] {
            var (digests, start): ([UInt8], Int) = ([], 0)
            for size in sizes {
                digests += digest(Array(content[start..<start + size]))
                start += size
            }
            let value = "\(Data(digest(digests)).base64EncodedString())-\(sizes.count)"
            return [(header, value), ("x-amz-checksum-type", "COMPOSITE")]
        }
    }

    private static func secret(_ count: Int = 1_700_051, parts: Int = 0) -> Row {
        Row("object", RealBucket.content(seed: UInt64(count), count: count)).with {
            $0.etag = "0123456789abcdef0123456789abcdef" + (parts > 0 ? "-\(parts)" : "")
            $0.encryption = "SSE-KMS"
        }
    }

    private static func use(
        _ row: Row, _ checksum: [(String, String)], _ words: [String] = [], status: Int32 = 0,
        prepare: (Scenario) throws -> Void = { _ in }, _ body: (Scenario, Run) throws -> Void
    ) throws {
        try Scenario.withBucket { scenario in
            try scenario.add(name, [row])
            try scenario.server.setChecksum(scenario.target(row), checksum)
            try prepare(scenario)
            let run = try scenario.run(["sync", "--store", scenario.store] + words)
            #expect(run.status == status, "\(run)")
            try body(scenario, run)
        }
    }

    /// The content is there, came as often as said, and is checkable and not asked for again.
    private static func expectStored(_ scenario: Scenario, _ row: Row, downloads: Int = 1, isOpaque: Bool = true) throws
    {
        #expect(try scenario.server.statistics().bytes == downloads * row.content.count)
        #expect(try scenario.blobs.count == 1 && scenario.blobs.allSatisfy { $0.contains("/x-") == isOpaque })
        #expect(try scenario.succeed("cat", row.key).stdout.isSame(as: row.content))
        try scenario.server.reset()
        try scenario.succeed("sync")
        #expect(try scenario.server.statistics().requests == 0)
        try scenario.succeed("verify")
    }

    /// A whole answer with a body, and headers that come without being asked for.
    private static func answer(_ content: [UInt8], _ headers: [(String, String)]) -> FaultServer.Canned {
        let lines = headers.map { "\($0.0): \($0.1)\r\n" }.joined()
        let head = "HTTP/1.1 200 OK\r\nContent-Length: \(content.count)\r\n\(lines)\r\n"
        return .init(raw: head + String(String.UnicodeScalarView(content.map { Unicode.Scalar($0) })))
    }

    // MARK: - Encrypted contents

    @Test(arguments: Algorithm.allCases, [[], chunked]) func anEncryptedContentIsChecked(
        algorithm: Algorithm, words: [String]
    ) throws {
        let row = Self.secret()
        try Self.use(row, algorithm.whole(row.content), words) { scenario, _ in
            try Self.expectStored(scenario, row)
        }
    }

    @Test(arguments: Algorithm.allCases, [[], chunked]) func whatNeverFitsIsAFailureThatNamesTheAlgorithm(
        algorithm: Algorithm, words: [String]
    ) throws {
        let row = Self.secret()
        var other = row.content
        other[1_000_000] ^= 1
        try Self.use(row, algorithm.whole(other), words, status: 3) { scenario, run in
            #expect(run.stderr.contains("\(algorithm.rawValue) is not the one"), "\(run)")
            let reason = try #require(try scenario.failures().first?["reason"] as? String)
            #expect(reason.contains("its \(algorithm.rawValue) is not the one that the server has"), "\(reason)")
            #expect(reason.contains("damaged at the source"), "\(reason)")
            #expect(try scenario.server.statistics().bytes == 2 * row.content.count)
            #expect(try scenario.blobs == [] && Files.names(in: "\(scenario.store)/tmp").isEmpty)
            // Once the source is right, so is the store.
            try scenario.server.setChecksum(scenario.target(row), algorithm.whole(row.content))
            try scenario.server.reset()
            let sync = try scenario.run(["sync", "--store", scenario.store] + words)
            #expect(sync.status == 0, "\(sync)")
            try Self.expectStored(scenario, row)
        }
    }

    @Test func aDamagedArrivalIsFetchedAgain() throws {
        let row = Self.secret(20_000)
        let checksum = Algorithm.crc64nvme.whole(row.content)
        var damaged = row.content
        damaged[1000] ^= 1
        let answers = [Self.answer(damaged, checksum), Self.answer(row.content, checksum)]
        try Self.use(row, [], prepare: { try $0.server.can($0.target(row), answers[0], answers[1]) }) { scenario, _ in
            let requests = try scenario.requests()
            #expect(requests[scenario.target(row)] == 2)
            #expect(try scenario.succeed("cat", row.key).stdout.isSame(as: row.content))
        }
    }

    @Test(arguments: [[700_001, 700_001, 300_049], sizes, [8 << 20, 1000]], [[], chunked])
    func aChecksumOfPartsIsCheckedToo(sizes: [Int], words: [String]) throws {
        let row = Self.secret(sizes.reduce(0, +), parts: sizes.count)
        for isDamaged in [false, true] {
            var content = row.content
            if isDamaged { content[0] ^= 1 }
            let checksum = Algorithm.sha256.composite(content, sizes)
            let status: Int32 = isDamaged ? 3 : 0
            try Self.use(
                row, checksum, words, status: status, prepare: { try UnevenPartTests.tellParts($0, row, sizes) }
            ) {
                scenario, run in
                if isDamaged {
                    #expect(run.stderr.contains("SHA-256 is not the one that the server has"), "\(run)")
                    #expect(try scenario.blobs == [])
                } else {
                    try Self.expectStored(scenario, row)
                }
            }
        }
    }

    @Test(arguments: [[], chunked]) func aChecksumOfPartsThatNobodyKnowsSaysNothing(words: [String]) throws {
        let row = Self.secret(Self.sizes.reduce(0, +), parts: Self.sizes.count)
        try Self.use(row, Algorithm.crc32.composite(row.content, Self.sizes), words) { scenario, _ in
            try Self.expectStored(scenario, row)
        }
    }

    // MARK: - Contents that had to come twice

    @Test(arguments: Algorithm.allCases, [[], chunked]) func aContentOfAGatewayNeedNotComeTwice(
        algorithm: Algorithm, words: [String]
    ) throws {
        let row = Self.secret().with { $0.encryption = "NOT-SSE" }
        try Self.use(row, algorithm.whole(row.content), words + ["--etags", "opaque"]) { scenario, _ in
            try Self.expectStored(scenario, row)
        }
    }

    @Test(arguments: [[], chunked]) func anUploadInUnknownPartsNeedNotComeTwice(words: [String]) throws {
        let row = UnevenPartTests.row("object", Self.sizes)
        try Self.use(row, Algorithm.crc64nvme.whole(row.content), words) { scenario, _ in
            try Self.expectStored(scenario, row)
        }
    }

    @Test(arguments: [[], chunked]) func anUploadInUnknownPartsThatIsDamagedIsNotKept(words: [String]) throws {
        let row = UnevenPartTests.row("object", Self.sizes)
        try Self.use(row, Algorithm.crc64nvme.whole(bytes("another")), words, status: 3) { scenario, run in
            #expect(run.stderr.contains("CRC64NVME is not the one that the server has"), "\(run)")
            let traffic = try scenario.server.statistics()
            #expect(try traffic.bytes == 2 * row.content.count && scenario.blobs == [])
        }
    }

    @Test(arguments: [[], chunked]) func whereTheETagDecidesTheChecksumDoesNot(words: [String]) throws {
        let row = UnevenPartTests.row("object", Self.sizes)
        let checksum = Algorithm.crc64nvme.whole(bytes("another"))
        try Self.use(row, checksum, words, prepare: { try UnevenPartTests.tellParts($0, row, Self.sizes) }) {
            scenario, _ in
            try Self.expectStored(scenario, row, isOpaque: false)
        }
    }

    /// An answer that says nothing for certain is as good as none.
    @Test(arguments: [
        [("x-amz-checksum-crc64nvme", "AAAA")], [("x-amz-checksum-crc64nvme", "not base64!!")],
        [("x-amz-checksum-crc64nvme", "")], [("x-amz-checksum-crc32", "AAAAAA==")],
        [("x-amz-checksum-crc32", "AAAAAA==-3"), ("x-amz-checksum-type", "FULL_OBJECT")],
        [("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-type", "COMPOSITE")],
        [("x-amz-checksum-crc32", "AAAAAA==-0")], [("x-amz-checksum-crc32", "AAAAAA==-99999999999999999999")],
        [("x-amz-checksum-crc32", "AAAAAA==-4")], [("x-amz-checksum-crc32", "AAAAAA==-3-3")],
        [("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-type", "OTHER")],
    ]) func aChecksumThatMakesNoSenseIsNone(checksum: [(String, String)]) throws {
        for words in [[], Self.chunked] {
            let row = UnevenPartTests.row("object", Self.sizes)
            try Self.use(row, checksum, words) { scenario, _ in
                try Self.expectStored(scenario, row, downloads: 2)
            }
        }
    }

    // MARK: - Requests

    @Test func onlyWhereTheETagSaysTooLittleIsItAskedFor() throws {
        let plain = Row("plain", bytes("plain")), secret = Self.secret(1000)
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, [plain, secret])
            for row in [plain, secret] { try scenario.server.can(scenario.target(row), Self.answer(row.content, [])) }
            try scenario.succeed("sync")
            let modes = try scenario.server.log().map { $0.header("x-amz-checksum-mode") }
            #expect(modes.count == 2 && modes.compactMap { $0 } == ["ENABLED"])
        }
    }

    // MARK: - Mounts

    @Test(arguments: [20_000, 9_000_000]) func aReadInAMountIsChecked(count: Int) throws {
        let row = Self.secret(count)
        try Self.use(row, Algorithm.crc32c.whole(row.content), ["--metadata-only"]) { scenario, _ in
            let point = try scenario.mount()
            #expect(try Files.read("\(point)/object", limit: 1 << 26).isSame(as: row.content))
            #expect(try Clock.wait(seconds: 60) { try scenario.blobs.count == 1 })
            scenario.unmount(point)
            try Self.expectStored(scenario, row)
        }
        try Self.use(row, Algorithm.crc32c.whole(bytes("another")), ["--metadata-only"]) { scenario, _ in
            let point = try scenario.mount()
            _ = try? Files.read("\(point)/object", limit: 1 << 26)
            let log = "\(scenario.store)/mount.log"
            let isSaid = Clock.wait(seconds: 60) {
                (try? Files.read(log, limit: 1 << 20)).map { String(decoding: $0, as: UTF8.self) }?.contains("CRC32C")
                    ?? false
            }
            #expect(isSaid)
            scenario.unmount(point)
            #expect(try scenario.blobs == [])
        }
    }

    @Test func whatAMountReadOfUnknownPartsIsKeptIfItsChecksumFits() throws {
        let row = UnevenPartTests.row("object", Self.sizes)
        try Self.use(row, Algorithm.crc64nvme.whole(row.content), ["--metadata-only"]) { scenario, _ in
            let point = try scenario.mount()
            #expect(try Files.read("\(point)/object", limit: 1 << 26).isSame(as: row.content))
            #expect(try Clock.wait(seconds: 60) { try scenario.blobs.count == 1 })
            scenario.unmount(point)
            try Self.expectStored(scenario, row)
        }
    }

    // MARK: - A real server

    @Test func aRealServerTellsItsChecksums() throws {
        let server = try MotoServer.shared()
        let proxy = try ProxyServer(to: server)
        let admin = try S3Admin(server)
        let bucket = "checksums-\(UInt32.random(in: 0 ... .max))"
        try admin.createBucket(bucket)
        let content = RealBucket.content(seed: 5, count: 17 << 20)
        let parts = [6, 5, 6].map { $0 << 20 }
        for algorithm in ["SHA256", "CRC32"] {
            try admin.put(bucket, .init(key: "whole/\(algorithm)", content: bytes(algorithm), checksum: algorithm))
            let seed = bytes(algorithm) + content[algorithm.utf8.count...]
            try admin.put(
                bucket, .init(key: "parts/\(algorithm)", content: seed, partSizes: parts, checksum: algorithm))
        }
        try Scenario.use(proxy) { scenario in
            try admin.makeInventory(of: bucket, in: "\(scenario.directory)/inventories")
            try scenario.initialize(bucket, inventory: "file://\(scenario.directory)/inventories")
            try scenario.succeed("sync", "--etags", "opaque")
            #expect(try StoreDigest.blobs(scenario.store).keys.filter { $0.contains("/x-") }.count == 4)
            let downloads = try proxy.log().filter { $0.hasPrefix("GET") && !$0.contains("list-type") }
            #expect(downloads.count == 4, "\(downloads)")
            try scenario.succeed("verify")
        }
    }
}
