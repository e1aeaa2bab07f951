import Basics
import Foundation
import Testbed
import Testing

/// A server of the program's own.
struct ServingProgram {
    let program: RunningProgram
    /// `http://127.0.0.1:PORT`
    let endpoint: String
    let port: Int
}

extension Scenario {
    /// Serves the store on a free port, and waits until it can be used.
    func serve(
        _ words: String..., host: String = "127.0.0.1", environment: [String: String] = [:],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> ServingProgram {
        let place = words.contains("--replica") ? [] : ["--store", store]
        let program = try start(["serve", "--address", "\(host):0"] + place + words, environment: environment)
        var port: Int?
        let isReady = Clock.wait(seconds: Patience.seconds(10)) {
            port = program.complaints.firstMatch(of: /serving .* at http:\/\/.*:(\d+)\//).flatMap { Int($0.1) }
            return port != nil || program.hasEnded
        }
        #expect(isReady, "\(program.complaints)", sourceLocation: sourceLocation)
        let found = try #require(port, "\(program.complaints)", sourceLocation: sourceLocation)
        return ServingProgram(program: program, endpoint: "http://127.0.0.1:\(found)", port: found)
    }

    /// Runs a script of the test bed to its end.
    ///
    /// - Returns: the JSON object that it prints.
    func script(
        _ name: String, _ words: [String], environment change: [String: String] = [:], seconds: Double = 300,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> [String: Any] {
        let run = try client(
            "python3", ["\(Testbed.root)/Tests/Testbed/servers/\(name)"] + words, environment: change, seconds: seconds)
        try #require(run.status == 0, "\(run)", sourceLocation: sourceLocation)
        return try run.record
    }

    /// Runs a client of S3 that is in the test bed's Python, or one by its path.
    func client(
        _ name: String, _ words: [String], environment change: [String: String] = [:], seconds: Double = 120
    ) throws -> Run {
        let path = name.hasPrefix("/") ? name : "\(Testbed.root)/.build/testbed-venv/bin/\(name)"
        let environment: [String: String] = [
            "HOME": directory, "PATH": "/usr/bin:/bin", "AWS_ACCESS_KEY_ID": "testaccess",
            "AWS_SECRET_ACCESS_KEY": "testsecret/with+chars", "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1", "LC_ALL": "C.UTF-8",
        ]
        return try RunningProgram(
            path, words.map { Array($0.utf8) }, environment: environment.merging(change) { $1 },
            currentDirectory: directory, outputs: "\(directory)/outputs"
        ).wait(seconds: seconds)
    }

    /// Asks with curl.
    ///
    /// - Returns: the status and the headers, by names in lower case, and the body.
    func ask(
        _ served: ServingProgram, _ target: String, _ words: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> (status: Int, headers: [String: String], body: [UInt8]) {
        let head = "\(directory)/outputs/head-\(UInt64.random(in: 0 ... .max))"
        defer { unlink(head) }
        let run = try client(
            "/usr/bin/curl", ["-sS", "--path-as-is", "-D", head] + words + [served.endpoint + target])
        try #require(run.status == 0, "\(run)", sourceLocation: sourceLocation)
        let lines = String(decoding: try Files.read(head, limit: 1 << 20), as: UTF8.self).split(separator: "\r\n")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
        }
        let status = lines.first.flatMap { Int($0.split(separator: " ").dropFirst().first ?? "") }
        return (try #require(status, sourceLocation: sourceLocation), headers, run.stdout)
    }
}
