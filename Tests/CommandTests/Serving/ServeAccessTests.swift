import Basics
import Foundation
import Testbed
import Testing

/// Who may read, and what strangers can do.
@Suite struct ServeAccessTests {
    private static let name = "2024-03-02T01-00Z"
    private static let html = InventoryFolder.Row("page.html", bytes("<script>alert(1)</script>"))
    private static let large = InventoryFolder.Row("large", RealBucket.content(seed: 3, count: 6 << 20))

    /// A store with a few contents.
    private func use(_ body: (Scenario) throws -> Void) throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, [Self.html, Self.large, InventoryFolder.Row("a b", bytes("0123456789"))])
            try scenario.succeed("sync")
            try body(scenario)
        }
    }

    private func keyFile(_ scenario: Scenario, _ text: String? = nil) throws -> String {
        let path = "\(scenario.directory)/keys"
        let usual = """
            # those who may read
            [default]
            aws_access_key_id = AKIAREADER
            aws_secret_access_key=reader/secret+key

            [another]
            aws_access_key_id = AKIAOTHER
            aws_secret_access_key = other-secret
            """
        try Files.replace(path, with: bytes(text ?? usual), mode: 0o600)
        return path
    }

    /// By what was asked and how, what comes.
    private static let answers: [String: String] = {
        var answers: [String: String] = [:]
        let right = [
            "right", "right, HEAD", "right, with a query", "right, with a query of odd order", "right, another region",
            "right, unsigned payload", "right, 14 minutes late", "right, 14 minutes early", "presigned",
            "presigned, with response-*", "presigned, at its end",
        ]
        for name in right { answers[name] = "200" }
        let wrong = [
            "another secret", "an empty secret", "another path", "a path that becomes the same", "a further query",
            "another query", "another signed header", "a signed header less", "another host", "another date",
            "another region in the scope", "another payload", "another signature", "half a signature",
            "presigned, for longer than signed", "presigned, another secret", "presigned, with more",
        ]
        for name in wrong { answers[name] = "403 SignatureDoesNotMatch" }
        let denied = [
            "nothing", "no browser", "another day in the scope",
            "an unsigned header of amz", "presigned, expired", "presigned, of tomorrow",
        ]
        for name in denied { answers[name] = "403 AccessDenied" }
        for name in ["16 minutes late", "16 minutes early"] { answers[name] = "403 RequestTimeTooSkewed" }
        for name in ["another service", "another end of the scope", "no signature"] {
            answers[name] = "400 AuthorizationHeaderMalformed"
        }
        for name in ["another algorithm", "basic", "version 2", "version 2 in the query"] {
            answers[name] = "400 InvalidRequest s3v4"
        }
        for name in ["for no time", "for too long", "without expiry", "with two expiries"] {
            answers["presigned, \(name)"] = "400 AuthorizationQueryParametersError"
        }
        // The page, for those who cannot sign.
        for name in ["nothing, the metrics", "nothing, the page"] { answers[name] = "401" }
        for name in ["another secret", "half of the secret", "another id", "nothing", "no colon", "no base64"] {
            answers["basic, \(name)"] = "401"
        }
        for name in ["the page", "the page, in capitals", "the metrics", "right, known before"] {
            answers["basic, \(name)"] = "200"
        }
        for name in ["a content of S3", "all buckets"] { answers["basic, \(name)"] = "400 InvalidRequest s3v4" }
        answers["a browser"] = "303"
        answers["basic, a download"] = "404"
        answers["basic, a way out of the page"] = "404"
        answers["signed, the page"] = "200"
        for number in 0..<5 { answers["basic, guess \(number)"] = number < 4 ? "401" : "429" }
        answers["basic, right, too late"] = "429"
        answers["signed, after the guesses"] = "200"
        answers["right, odd key"] = "404 NoSuchKey"
        answers["right, with spaces in a header"] = "206"
        answers["another id"] = "403 InvalidAccessKeyId"
        answers["another method"] = "403"
        answers["a payload that is none"] = "400 XAmzContentSHA256Mismatch"
        answers["a token that the key has not"] = "400 InvalidToken"
        answers["presigned, signed twice"] = "400 InvalidArgument"
        answers["right, what writes"] = "405 MethodNotAllowed"
        return answers
    }()

    @Test func everyPartOfASignatureCounts() throws {
        try use { scenario in
            scenario.hide("reader/secret+key")
            let served = try scenario.serve("--credentials", keyFile(scenario), "--log-requests")
            let result = try scenario.script(
                "access.py", ["\(served.port)", Scenario.bucket, "a b"],
                environment: ["AWS_ACCESS_KEY_ID": "AKIAREADER", "AWS_SECRET_ACCESS_KEY": "reader/secret+key"])
            #expect(result.compactMapValues { $0 as? String } == Self.answers)
            // A log that others may read must not let them in.
            #expect(!served.program.complaints.contains("Signature"), "\(served.program.complaints)")
            let other = try scenario.client(
                "aws", ["--endpoint-url", served.endpoint, "s3", "cp", "s3://\(Scenario.bucket)/a b", "-"],
                environment: ["AWS_ACCESS_KEY_ID": "AKIAOTHER", "AWS_SECRET_ACCESS_KEY": "other-secret"])
            #expect(other.text == "0123456789", "\(other)")
            served.program.kill(SIGTERM)
            #expect(try served.program.wait().status == 0)
        }
    }

    @Test func strangersGetErrorsAndTheServerGoesOn() throws {
        try use { scenario in
            let served = try scenario.serve()
            let result = try scenario.script(
                "rough.py", ["\(served.port)", Scenario.bucket, Self.large.key, "\(Self.large.content.count)"])
            let expected: [String: String] = [
                "no request": "400", "no version": "400", "two lengths": "400", "length and chunks": "400",
                "a space in a name": "400", "no host": "400", "two hosts": "400", "another host": "403",
                "a host that begins well": "403", "a long header": "431", "a long path": "431", "many headers": "431",
                "many small headers of one name": "431", "half a request, and the end": "400",
                "the end after a request": "200", "a bad percent": "400", "half a percent": "400", "a NUL": "404",
                "up": "404", "encoded up": "404", "a bucket that is a path": "404", "a bucket that is not UTF-8": "404",
                "a long key": "404", "many parts of a query": "400", "an absolute target": "400", "an asterisk": "400",
                "CONNECT": "400", "TRACE": "405", "an unknown method": "400", "HTTP/1.0": "200",
                "a line end in response-*": "400", "pipelined": "in order", "a slow reader": "whole",
                "a reader that leaves": "200", "expecting": "405", "uploading": "405", "kept": "405 404",
                "byte by byte": "404",
            ]
            #expect(result.compactMapValues { $0 as? String } == expected)
            let metrics = try scenario.ask(served, "/-/metrics")
            #expect(String(decoding: metrics.body, as: UTF8.self).contains("icecore_requests_total"))
        }
    }

    @Test func whatABrowserWouldRenderCannotRunAsThisServer() throws {
        try use { scenario in
            let served = try scenario.serve()
            let page = "/\(Scenario.bucket)/page.html"
            for target in [page, "\(page)?response-content-type=text/html", "/\(Scenario.bucket)", "/none", "/"] {
                let answer = try scenario.ask(served, target)
                #expect(answer.headers["content-security-policy"] == "sandbox", "\(target)")
                #expect(answer.headers["x-content-type-options"] == "nosniff", "\(target)")
            }
            // A name of a stranger's that leads to this machine.
            let rebound = try scenario.ask(served, page, "-H", "Host: rebound.example:\(served.port)")
            #expect(rebound.status == 403)
            #expect(try scenario.ask(served, page, "-H", "Host: localhost").status == 200)
            #expect(try scenario.ask(served, page, "-H", "Host: [::1]:9000").status == 200)
            let domain = try scenario.serve("--domain", "s3.example")
            let virtual = try scenario.ask(domain, "/page.html", "-H", "Host: \(Scenario.bucket).s3.example:1234")
            #expect(virtual.status == 200 && virtual.body == Self.html.content)
            #expect(try scenario.ask(domain, page, "-H", "Host: s3.example").status == 200)
            #expect(try scenario.ask(domain, page, "-H", "Host: xs3.example").status == 403)
        }
    }

    @Test func whatOthersCanReachNeedsAWord() throws {
        try use { scenario in
            func refused(_ words: String...) throws -> String {
                let run = try scenario.run(["serve", "--store", scenario.store] + words)
                #expect(run.status == 64, "\(run)")
                return run.stderr
            }
            #expect(try refused("--address", "0.0.0.0:0").contains("--credentials"))
            #expect(try refused("--address", "[::]:0").contains("--anonymous"))
            #expect(try refused("--address", "nowhere").contains("HOST:PORT"))
            #expect(try refused("--credentials", "x", "--anonymous").contains("not both"))
            #expect(try refused("--credentials", keyFile(scenario, "nothing")).contains("has no keys"))
            let half = try keyFile(scenario, "[x]\naws_access_key_id = A\n")
            #expect(try refused("--credentials", half).contains("no secret"))
            #expect(try scenario.run(["serve", "--store", scenario.store, "--at", "1999-01-01"]).status == 1)
            // Once it is said aloud, everybody may, under any name.
            let served = try scenario.serve("--anonymous", host: "0.0.0.0")
            #expect(try scenario.ask(served, "/\(Scenario.bucket)/a%20b", "-H", "Host: any.example").status == 200)
        }
    }
}
