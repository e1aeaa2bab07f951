import Basics
import Foundation
import Testbed
import Testing

/// Objects that were uploaded in parts of different sizes: each can be stored, and be checked for ever.
@Suite struct UnevenPartTests {
    typealias Row = InventoryFolder.Row

    private static let name = "2024-03-02T01-00Z"
    private static let chunked = ["--chunk-threshold", "1M", "--chunk-size", "1M"]

    /// A row of an object in such parts.
    static func row(_ key: String, _ sizes: [Int], versionId: String? = nil) -> Row {
        let content = RealBucket.content(seed: UInt64(sizes.count), count: sizes.reduce(0, +))
        var (digests, start): ([UInt8], Int) = ([], 0)
        for size in sizes {
            digests += MD5.digest(Array(content[start..<start + size]))
            start += size
        }
        return Row(key, content, versionId: versionId).with {
            $0.etag = "\(Hex.encode(MD5.digest(digests)))-\(sizes.count)"
        }
    }

    /// Has the server say how large each part is, as AWS does.
    static func tellParts(_ scenario: Scenario, _ row: Row, _ sizes: [Int], count: Int? = nil) throws {
        for (number, size) in sizes.enumerated() {
            try scenario.server.can(
                "/\(Scenario.bucket)/\(row.key)?partNumber=\(number + 1)&versionId=\(row.versionId)",
                FaultServer.Canned(
                    status: 206,
                    headers: [("x-amz-mp-parts-count", "\(count ?? sizes.count)"), ("Content-Length", "\(size)")]))
        }
    }

    private static func withObject(_ sizes: [Int], _ body: (Scenario, Row) throws -> Void) throws {
        try Scenario.withBucket { scenario in
            let row = Self.row("object", sizes)
            try scenario.add(Self.name, [row])
            try Self.tellParts(scenario, row, sizes)
            try body(scenario, row)
        }
    }

    private static func expectStoredUnderETag(_ scenario: Scenario, _ row: Row) throws {
        let etag = try #require(row.etag)
        #expect(try scenario.blobs == ["\(etag.prefix(2))/\(etag)-\(row.content.count)"])
        #expect(try scenario.succeed("cat", row.key).stdout.isSame(as: row.content))
    }

    /// In parts of which the first, taken for all, makes the right number, or does not.
    private static let uploads = [
        [6, 5, 6].map { $0 * 100_003 }, [50, 30, 50, 30].map { $0 * 20_001 }, [5, 6].map { $0 * 200_003 },
        [1, 2_000_000, 3, 3], (1...120).map { $0 * 311 }, [700_000, 700_000, 700_000, 1_400_000],
    ]

    @Test(arguments: uploads, [[], chunked])
    func eachByteIsFetchedOnceAndVouchedForByTheETag(sizes: [Int], words: [String]) throws {
        try Self.withObject(sizes) { scenario, row in
            let run = try scenario.run(["sync", "--store", scenario.store] + words)
            #expect(run.status == 0, "\(run)")
            try Self.expectStoredUnderETag(scenario, row)
            #expect(try scenario.server.statistics().bytes == row.content.count)

            let before = try scenario.server.statistics().requests
            try scenario.succeed("sync")
            #expect(try scenario.server.statistics().requests == before, "the next sync asks for nothing")
            try scenario.succeed("verify")
            try scenario.succeed("reindex")
            try scenario.succeed("verify")

            let path = "\(scenario.store)/blobs/\(try #require(try scenario.blobs.first))"
            try Scenario.change(path) { $0[$0.count / 3] ^= 1 }
            let verify = try scenario.run("verify")
            #expect(verify.status == 1 && verify.text.contains("object"), "\(verify)")
            try scenario.succeed("verify", "--repair")
            try Self.expectStoredUnderETag(scenario, row)
            #expect(try scenario.server.statistics().bytes == 2 * row.content.count)
            try scenario.succeed("verify")
        }
    }

    @Test func aDamagedArrivalIsFetchedAgain() throws {
        try Self.withObject([6, 5, 6].map { $0 * 10_007 }) { scenario, row in
            func answer(_ content: [UInt8]) -> FaultServer.Canned {
                let head = "HTTP/1.1 200 OK\r\nContent-Length: \(content.count)\r\n\r\n"
                return .init(raw: head + String(String.UnicodeScalarView(content.map { Unicode.Scalar($0) })))
            }
            var damaged = row.content
            damaged[1000] ^= 1
            try scenario.server.can(scenario.target(row), answer(damaged), answer(row.content))
            try scenario.succeed("sync")
            try Self.expectStoredUnderETag(scenario, row)
            #expect(try scenario.requests()[scenario.target(row)] == 2)
        }
    }

    @Test(arguments: ["file", "RGW", "moto"]) func replicasKeepThemCheckable(_ kind: String) throws {
        let (small, large) = ([6, 5, 6].map { $0 * 100_003 }, [9, 14, 8, 14].map { $0 << 20 })
        try Scenario.withBucket { scenario in
            let rows = [Self.row("small", small), Self.row("large", large)]
            try scenario.add(Self.name, rows)
            for (row, sizes) in zip(rows, [small, large]) { try Self.tellParts(scenario, row, sizes) }
            try scenario.succeed("sync")
            let place = try PushTests.place(kind, scenario)
            try scenario.push(place)
            let clone = try scenario.clone(place, "clone")
            try scenario.expectSame(clone, as: scenario.store)
            #expect(try StoreDigest.blobs(clone).keys.allSatisfy { !$0.contains("/x-") })
            let blob = "\(clone)/blobs/\(try #require(try StoreDigest.blobs(clone).keys.first))"
            try Scenario.change(blob) { $0[$0.count - 1] ^= 1 }
            #expect(try scenario.run(["verify", "--store", clone]).status == 1)
            // From a damaged store, nothing wrong is sent.
            let other = try PushTests.place(kind == "file" ? "moto" : kind, scenario)
            let push = try scenario.push(other, store: clone, status: 1)
            #expect(push.stderr.contains("1 blob of the store is damaged"), "\(push)")
        }
    }

    @Test(arguments: [[6, 5, 6].map { $0 * 100_003 }, [50, 30, 50, 30].map { $0 * 100_003 }])
    func aMountReadsThem(sizes: [Int]) throws {
        try Self.withObject(sizes) { scenario, row in
            try scenario.succeed("sync", "--metadata-only")
            let point = try scenario.mount()
            #expect(try Files.read("\(point)/object", limit: 1 << 26).isSame(as: row.content))
            #expect(try Clock.wait(seconds: 60) { try scenario.blobs.count == 1 }, "what is complete becomes a blob")
            scenario.unmount(point)
            try Self.expectStoredUnderETag(scenario, row)
            #expect(try scenario.server.statistics().bytes == row.content.count)
            try scenario.succeed("verify")
            try scenario.succeed("sync")
            #expect(try scenario.server.statistics().bytes == row.content.count)
        }
    }

    // MARK: - Servers that do not say, or say what cannot be

    @Test(arguments: [[], chunked])
    func partsThatCannotBeAreNotBelieved(words: [String]) throws {
        let sizes = [6, 5, 6].map { $0 * 100_003 }
        for told in [[6, 5, 5], [6, 6, 6], [6, 5], [6, 5, 0], [17, 17, 17], [1, 1, 15]] {
            try Scenario.withBucket { scenario in
                let row = Self.row("object", sizes)
                try scenario.add(Self.name, [row])
                try Self.tellParts(scenario, row, told.map { $0 * 100_003 }, count: 3)
                let run = try scenario.run(["sync", "--store", scenario.store] + words)
                #expect(run.status == 0, "\(run)")
                #expect(try scenario.blobs.allSatisfy { $0.contains("/x-") }, "\(told)")
                #expect(try scenario.server.statistics().bytes == 2 * row.content.count)
                try scenario.succeed("sync")
                #expect(try scenario.server.statistics().bytes == 2 * row.content.count, "and never again")
                try scenario.succeed("verify")
            }
        }
    }

    /// As MinIO makes them in some setups: the MD5 of nothing, with a number of parts.
    @Test(arguments: ["-1", "-3", "-1001", "-4000000000"], [[], chunked])
    func anETagThatIsNoDigestOfPartsIsKeptOnceItCameTwiceAlike(suffix: String, words: [String]) throws {
        try Scenario.withBucket { scenario in
            let row = Row("object", RealBucket.content(seed: 3, count: 1_700_000)).with {
                $0.etag = "0123456789abcdef0123456789abcdef\(suffix)"
            }
            try scenario.add(Self.name, [row])
            if suffix == "-1" { try Self.tellParts(scenario, row, [row.content.count]) }
            let run = try scenario.run(["sync", "--store", scenario.store] + words)
            #expect(run.status == 0, "\(run)")
            #expect(try scenario.blobs.count == 1 && scenario.blobs.allSatisfy { $0.contains("/x-") })
            #expect(try scenario.succeed("cat", "object").stdout.isSame(as: row.content))
            #expect(try scenario.server.statistics().bytes == 2 * row.content.count)
            let requests = try scenario.server.statistics().requests
            try scenario.succeed("sync")
            #expect(try scenario.server.statistics().requests == requests, "it is never asked for again")
            try scenario.succeed("verify")
        }
    }

    /// Whoever may not, or cannot, be asked for a part: the usual sizes and a second download have to do.
    @Test(arguments: [400, 403, 405, 416, 501], [[], chunked])
    func aRefusalToTellPartsHarmsNothing(status: Int, words: [String]) throws {
        try Scenario.withBucket { scenario in
            let rows = [Self.row("uneven", [6, 5, 6].map { $0 * 100_003 }), Self.row("even", [8 << 20, 100])]
            try scenario.add(Self.name, rows)
            for row in rows {
                try scenario.server.can(
                    "/\(Scenario.bucket)/\(row.key)?partNumber=1&versionId=\(row.versionId)", .init(status: status))
            }
            let run = try scenario.run(["sync", "--store", scenario.store] + words)
            #expect(run.status == 0, "\(run)")
            for row in rows { #expect(try scenario.succeed("cat", row.key).stdout.isSame(as: row.content)) }
            let bytes = 2 * rows[0].content.count + rows[1].content.count
            #expect(try scenario.server.statistics().bytes == bytes)
        }
    }

    /// Public buckets often let anyone read the current object, but no version by its id.
    @Test(arguments: [[], chunked]) func wherePartsAreToldByKeyOnlyTheyAreAskedForSo(words: [String]) throws {
        let sizes = [5, 6, 5].map { $0 * 100_003 }
        try Scenario.withBucket { scenario in
            let row = Self.row("object", sizes)
            try scenario.add(Self.name, [row])
            let denied = FaultServer.Canned(status: 403, body: "<Error><Code>AccessDenied</Code></Error>")
            try scenario.server.can(scenario.target(row), denied)
            try scenario.server.can("\(scenario.target(row).replacing("?", with: "?partNumber=1&"))", denied)
            let etag = try #require(row.etag)
            for (number, size) in sizes.enumerated() {
                try scenario.server.can(
                    "/\(Scenario.bucket)/object?partNumber=\(number + 1)",
                    FaultServer.Canned(
                        status: 206,
                        headers: [
                            ("ETag", "\"\(etag)\""), ("x-amz-mp-parts-count", "3"), ("Content-Length", "\(size)"),
                        ]))
            }
            let run = try scenario.run(["sync", "--store", scenario.store] + words)
            #expect(run.status == 0, "\(run)")
            try Self.expectStoredUnderETag(scenario, row)
            #expect(try scenario.server.statistics().bytes == row.content.count)
        }
    }

    // MARK: - Real servers

    private static let real = [6, 5, 6].map { $0 << 20 }

    /// moto says the parts' sizes, and Ceph does not.
    @Test(arguments: [true, false]) func aRealServerIsAskedForTheParts(saysParts: Bool) throws {
        let server: S3Server = saysParts ? try MotoServer.shared() : try RGWServer.shared()
        let proxy = try ProxyServer(to: server)
        let admin = try S3Admin(server)
        let bucket = "uneven-\(UInt32.random(in: 0 ... .max))"
        try admin.createBucket(bucket)
        let content = RealBucket.content(seed: 5, count: Self.real.reduce(0, +))
        let stored = try admin.put(bucket, .init(key: "object", content: content, partSizes: Self.real))
        #expect(stored.etag.hasSuffix("-3"))
        try Scenario.use(proxy) { scenario in
            try admin.makeInventory(of: bucket, in: "\(scenario.directory)/inventories")
            try scenario.initialize(bucket, inventory: "file://\(scenario.directory)/inventories")
            try scenario.succeed("sync")
            let names = try StoreDigest.blobs(scenario.store).keys.sorted()
            #expect(names.count == 1 && names.allSatisfy { $0.contains("/x-") != saysParts })
            #expect(try scenario.succeed("cat", "object").stdout.isSame(as: content))
            // 'init' lists one key.
            let downloads = try proxy.log().filter { $0.hasPrefix("GET") && !$0.contains("list-type") }.count
            #expect(downloads == (saysParts ? 1 : 2))
            try scenario.succeed("verify")
            try proxy.reset()
            try scenario.succeed("sync")
            #expect(try proxy.log() == [], "the next sync asks for nothing")
        }
    }
}
