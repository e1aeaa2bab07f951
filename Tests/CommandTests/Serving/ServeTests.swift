import Basics
import Foundation
import Testbed
import Testing

/// A server's life: what it follows, what it fetches, how it ends.
@Suite struct ServeTests {
    typealias Row = InventoryFolder.Row

    private func text(_ answer: (status: Int, headers: [String: String], body: [UInt8])) -> String {
        String(decoding: answer.body, as: UTF8.self)
    }

    @Test func aServerFollowsASyncAndKnowsItsDates() throws {
        try Scenario.withBucket { scenario in
            try scenario.add("2024-03-02T01-00Z", [Row("one", bytes("first"))])
            try scenario.succeed("sync")
            let served = try scenario.serve()
            let old = try scenario.serve("--at", "2024-03-02T01-00Z", "--name", "reef")
            #expect(try scenario.ask(served, "/bucket--2024-03-03t01-00z").status == 404)
            var later = [Row("one", bytes("first")), Row("one", bytes("second"), at: "2024-03-02T12:00:00.000Z")]
            later[0].isLatest = false
            try scenario.add("2024-03-03T01-00Z", later)
            try scenario.succeed("sync")
            let hasSeen = try Clock.wait(seconds: Patience.seconds(10)) {
                try text(scenario.ask(served, "/bucket/one")) == "second"
            }
            #expect(hasSeen)
            for (target, content) in [
                ("/bucket--2024-03-02/one", "first"), ("/bucket--2024-03-02t01-00z/one", "first"),
                ("/bucket--2024-03-03t01-00z/one", "second"), ("/bucket--latest/one", "second"),
                ("/bucket--2024-03-02t12-30-00z/one", "second"), ("/bucket--2024-03-02T11:59:59Z/one", "first"),
            ] {
                #expect(try text(scenario.ask(served, target)) == content, "\(target)")
            }
            for name in ["bucket--2019-01-01", "bucket--2030-01-01", "bucket--", "bucket--x", "Bucket", "bucke"] {
                let answer = try scenario.ask(served, "/\(name)/one")
                #expect(answer.status == 404 && text(answer).contains("NoSuchBucket"), "\(name)")
            }
            let buckets = try text(scenario.ask(served, "/"))
            for name in ["bucket", "bucket--2024-03-02t01-00z", "bucket--2024-03-03t01-00z"] {
                #expect(buckets.contains("<Name>\(name)</Name>"), "\(buckets)")
            }
            // A date does not change, whatever is synced.
            #expect(try text(scenario.ask(old, "/reef/one")) == "first")
            #expect(try text(scenario.ask(old, "/reef?versions")).components(separatedBy: "<Version>").count == 2)
            #expect(try scenario.ask(old, "/bucket/one").status == 404)
        }
    }

    @Test func whatIsNotThereIsFetchedOrSaidToBeGone() throws {
        try Scenario.withBucket { scenario in
            let large = Row("large", RealBucket.content(seed: 5, count: 20_000_000))
            let cold = Row("cold", bytes("cold content")).with { $0.storageClass = "GLACIER" }
            let lost = Row("lost", bytes("lost content"))
            let small = Row("small", bytes("small content"))
            try scenario.add("2024-03-02T01-00Z", [small, large, cold, lost, Row("no", [])])
            try scenario.succeed("sync", "--metadata-only")
            let answer = FaultServer.Canned(status: 404, body: "<Error><Code>NoSuchKey</Code></Error>")
            try scenario.server.can(scenario.target(lost), answer)
            let offline = try scenario.serve("--offline")
            let refused = try scenario.ask(offline, "/bucket/small")
            #expect(refused.status == 404 && text(refused).contains("is not in the store"))
            let served = try scenario.serve()
            let head = try scenario.ask(served, "/bucket/small", "-I")
            #expect(head.headers["content-length"] == "13")
            #expect(try scenario.ask(served, "/bucket/no").body.isEmpty)
            #expect(try text(scenario.ask(served, "/bucket/small")) == "small content")
            #expect(try scenario.ask(served, "/bucket/large").body == large.content)
            let middle = try scenario.ask(served, "/bucket/large", "-r", "12345678-12345699")
            #expect(middle.status == 206 && middle.body == Array(large.content[12_345_678...12_345_699]))
            let archived = try scenario.ask(served, "/bucket/cold")
            #expect(archived.status == 403 && text(archived).contains("InvalidObjectState"))
            let gone = try scenario.ask(served, "/bucket/lost")
            #expect(gone.status == 404 && text(gone).contains("The source does not have this version any more"))
            #expect(!text(gone).contains(scenario.directory))
            // What was fetched is kept.
            #expect(try Clock.wait(seconds: 60) { try text(scenario.ask(offline, "/bucket/small")) == "small content" })
        }
    }

    @Test func aDamagedBlobNeverPassesForAWholeOne() throws {
        try Scenario.withContents { scenario in
            let row = try scenario.row("parted")
            let served = try scenario.serve("--offline")
            #expect(try scenario.ask(served, "/bucket/parted").body == row.content)
            // It ends early while the server has it open: cut, whatever was sent.
            let program = "/usr/bin/curl"
            let run = try RunningProgram(
                program, ["-sS", "--limit-rate", "1M", served.endpoint + "/bucket/parted"].map { bytes($0) },
                environment: ["PATH": "/usr/bin"], currentDirectory: scenario.directory,
                outputs: "\(scenario.directory)/outputs")
            usleep(300_000)
            chmod(scenario.blob(row), 0o644)
            truncate(scenario.blob(row), 100)
            let cut = try run.wait(seconds: 120)
            #expect(cut.status == 0 ? cut.stdout == row.content : cut.status == 18 || cut.status == 56, "\(cut.status)")
            let after = try scenario.ask(served, "/bucket/parted")
            #expect(after.status == 404 && !text(after).contains(scenario.directory))
        }
    }

    @Test func whatIsBeingSentIsSentBeforeTheEnd() throws {
        try Scenario.withContents { scenario in
            let row = try scenario.row("parted")
            let served = try scenario.serve()
            let run = try RunningProgram(
                "/usr/bin/curl", ["-sS", "--limit-rate", "2M", served.endpoint + "/bucket/parted"].map { bytes($0) },
                environment: ["PATH": "/usr/bin"], currentDirectory: scenario.directory,
                outputs: "\(scenario.directory)/outputs")
            usleep(500_000)
            served.program.kill(SIGTERM)
            let fetched = try run.wait(seconds: 120)
            #expect(fetched.status == 0 && fetched.stdout == row.content, "\(fetched.status) \(fetched.stderr)")
            let start = MonotonicClock.milliseconds()
            #expect(try served.program.wait().status == 0)
            #expect(Int64(MonotonicClock.milliseconds() - start) < Patience.milliseconds(2000))
            let idle = try scenario.serve()
            _ = try scenario.ask(idle, "/bucket/empty")
            let begin = MonotonicClock.milliseconds()
            idle.program.kill(SIGINT)
            #expect(try idle.program.wait().status == 0)
            #expect(Int64(MonotonicClock.milliseconds() - begin) < Patience.milliseconds(2000))
        }
    }

    @Test func theAnswersOfAServiceAreThoseOfS3() throws {
        try Scenario.withContents { scenario in
            let served = try scenario.serve()
            let key = try scenario.row("parted").key
            func code(_ target: String, _ words: String) throws -> String {
                let answer = try scenario.ask(served, target, "-X", words)
                let found = text(answer).firstMatch(of: /<Code>(.*?)<\/Code>/).map { String($0.1) }
                return "\(answer.status) \(found ?? "")"
            }
            for method in ["PUT", "POST", "DELETE", "PATCH"] {
                for target in ["/bucket/\(key)", "/bucket", "/new", "/bucket?delete", "/bucket/x?uploads"] {
                    #expect(try code(target, method) == "405 MethodNotAllowed", "\(method) \(target)")
                }
            }
            for name in ["acl", "policy", "lifecycle", "tagging", "uploads", "cors", "replication", "object-lock"] {
                let answer = try scenario.ask(served, "/bucket?\(name)")
                #expect(answer.status == 501 && text(answer).contains("?\(name)"), "\(text(answer))")
            }
            for name in ["acl", "retention", "legal-hold", "torrent", "uploadId=1"] {
                #expect(try scenario.ask(served, "/bucket/\(key)?\(name)").status == 501, "\(name)")
            }
            let part = try scenario.ask(served, "/bucket/\(key)?partNumber=2")
            #expect(part.status == 206 && part.headers["x-amz-mp-parts-count"] == "2")
            #expect(part.body == Array(try scenario.row(key).content.dropFirst(5 << 20)))
            #expect(try scenario.ask(served, "/bucket/\(key)?partNumber=3").status == 416)
            let override = try scenario.ask(served, "/bucket/\(key)?response-content-type=text/x&response-expires=0")
            #expect(override.headers["content-type"] == "text/x" && override.headers["expires"] == "0")
            // A delete marker, as the key's latest version and by its id.
            let hidden = try scenario.ask(served, "/bucket/\(try #require(scenario.rows.first { $0.isMarker }).key)")
            #expect(hidden.status == 404 && hidden.headers["x-amz-delete-marker"] == "true")
            let marker = try scenario.ask(
                served, "/bucket/\(try #require(scenario.rows.first { $0.isMarker }).key)?versionId=marker")
            #expect(marker.status == 405 && marker.headers["x-amz-delete-marker"] == "true")
            #expect(marker.headers["x-amz-version-id"] == "marker")
            for (query, status) in [
                ("max-keys=0", 200), ("max-keys=-1", 400), ("max-keys=x", 400), ("max-keys=99999999999", 400),
                ("encoding-type=x", 400), ("list-type=2&continuation-token=zz", 400),
                ("versions&version-id-marker=x", 400),
            ] {
                #expect(try scenario.ask(served, "/bucket?\(query)").status == status, "\(query)")
            }
            let attributes = try scenario.ask(
                served, "/bucket/\(key)?attributes", "-H", "x-amz-object-attributes: ETag,ObjectSize,ObjectParts")
            #expect(text(attributes).contains("<ObjectSize>5500000</ObjectSize>"))
            let id = try scenario.ask(served, "/none")
            #expect(text(id).contains("<RequestId>\(id.headers["x-amz-request-id"] ?? "?")</RequestId>"))
        }
    }
}
