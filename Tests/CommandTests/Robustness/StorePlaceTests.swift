import Basics
import Foundation
import Testbed
import Testing

/// Where people put a store: odd names, links, other people's directories.
@Suite struct StorePlaceTests {
    typealias Row = InventoryFolder.Row

    private static let name = "2024-03-02T01-00Z"

    private func use(_ body: (Scenario) throws -> Void) throws {
        try Scenario.withBucket { scenario in
            try scenario.add(Self.name, [Row("a/b", bytes("content of b")), Row("c", bytes("content of c"))])
            try body(scenario)
        }
    }

    private func expectStore(_ scenario: Scenario, _ path: String, in directory: String? = nil) throws {
        let bucket = ["--bucket", "s3://bucket", "--inventory", scenario.folder.url]
        for words in [
            ["init", "--"] + [path], ["sync", "--store=\(path)"], ["verify", "--store=\(path)"],
            ["reindex", "--store=\(path)"], ["push", "file://\(scenario.directory)/replica", "--store=\(path)"],
        ] {
            let words = words[0] == "init" ? ["init"] + bucket + words.dropFirst() : words
            let run = try scenario.run(words, in: directory)
            try #require(run.status == 0, "\(run)")
        }
        let cat = try scenario.run(["cat", "c", "--store=\(path)"], in: directory)
        #expect(cat.text == "content of c", "\(cat)")
    }

    @Test(arguments: [
        "a b", "line\nbreak", "tab\t", "quo\"te'd", "per%41cent", "a?mode=ro#x", "back\\slash", "\u{301}accent first",
        "cafe\u{301}", "file:x", "-dash", "😀", "a&b;c|d", "$HOME", "..x", "trailing ",
    ])
    func aStoreMayHaveAnyName(name: String) throws {
        try use { scenario in
            try Files.createDirectory("\(scenario.directory)/place")
            try expectStore(scenario, "\(scenario.directory)/place/\(name)")
            #expect(
                try Files.names(in: "\(scenario.directory)/place").first.map { Array($0.utf8) } == Array(name.utf8))
            try Files.removeAll("\(scenario.directory)/place")
            try Files.removeAll("\(scenario.directory)/replica")
            // And where it begins with a slash, a relative path is a path too.
            try Files.createDirectory("\(scenario.directory)/place")
            try expectStore(scenario, "./\(name)", in: "\(scenario.directory)/place")
        }
    }

    @Test func aStoreCanBeMadeThroughALink() throws {
        try use { scenario in
            let real = "\(scenario.directory)/on another disk"
            try Files.createDirectory(real)
            let link = "\(scenario.directory)/link"
            symlink(real, link)
            try expectStore(scenario, link)
            #expect(Files.exists("\(real)/icecore.json"))
            #expect(try scenario.run(["init", link, "--bucket", "s3://bucket"]).status == 1)
            // Two ways to one store are one lock.
            var faults = FaultServer.Faults()
            faults.latency = 1
            try scenario.server.set(faults)
            try scenario.add("2024-03-03T01-00Z", [Row("d", bytes("content of d"))])
            let process = try scenario.start(["sync", "--store", link])
            #expect(Clock.wait(seconds: 30) { process.hasOpen("\(real)/lock") })
            #expect(try scenario.run(["sync", "--store", real]).stderr.contains("is in use by"))
            #expect(try process.wait().status == 0)
        }
    }

    @Test func aLinkThatLeadsNowhereIsNamed() throws {
        try use { scenario in
            let link = "\(scenario.directory)/link"
            symlink("\(scenario.directory)/nowhere", link)
            let run = try scenario.run(["init", link, "--bucket", "s3://bucket"])
            #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
            #expect(run.stderr.contains("'\(link)' is a symbolic link that leads nowhere"), "\(run)")
        }
    }

    @Test func anInterruptedInitIsNoObstacle() throws {
        try use { scenario in
            let place = "\(scenario.directory)/killed"
            let words = ["init", place, "--bucket", "s3://bucket", "--inventory", scenario.folder.url]
            var killed = 0
            for point in stride(from: 1, to: 300, by: 13) {
                let run = try scenario.run(words, environment: try FaultShim.environment(["FAULT_KILL": "\(point)"]))
                if run.status == 137 { killed += 1 }
                if Files.exists("\(place)/icecore.json") { break }
            }
            #expect(killed > 10)
            if !Files.exists("\(place)/icecore.json") { #expect(try scenario.run(words).status == 0) }
            #expect(try scenario.run(["sync", "--store", place]).status == 0)
            let verify = try scenario.run(["verify", "--store", place])
            #expect(verify.status == 0 && verify.stdout.isEmpty, "\(verify)")
            #expect(try Files.names(in: "\(place)/tmp").isEmpty)
        }
    }

    @Test func aStoreThatMayNotBeLookedIntoIsNotCalledMissing() throws {
        try use { scenario in
            try scenario.succeed("sync")
            chmod(scenario.store, 0)
            defer { chmod(scenario.store, 0o755) }
            for command in ["ls", "sync", "verify", "status"] {
                let run = try scenario.shell(
                    """
                    exec setpriv --bounding-set=-dac_override,-dac_read_search,-fowner "$ICECORE" \(command) --store "$STORE"
                    """)
                #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
                #expect(run.stderr.contains("icecore.json") && run.stderr.contains("Permission denied"), "\(run)")
            }
        }
    }

    @Test func aCopyOfTheConfigurationIsLeftAlone() throws {
        try use { scenario in
            for name in ["icecore.json.bak", "verify.state.before"] {
                try Files.replace("\(scenario.store)/\(name)", with: bytes("mine"))
            }
            try scenario.succeed("sync")
            let verify = try scenario.succeed("verify", "--json")
            #expect(
                Set(try verify.records.compactMap { $0["path"] as? String }) == [
                    "icecore.json.bak", "verify.state.before",
                ])
            #expect(try verify.records.allSatisfy { $0["kind"] as? String == "foreign" })
            #expect(try Files.read("\(scenario.store)/icecore.json.bak", limit: 100) == bytes("mine"))
        }
    }

    @Test(arguments: ["002", "007"])
    func aGroupThatTheUmaskLetsWriteSharesAStore(umask: String) throws {
        try use { scenario in
            let run = try scenario.shell(
                """
                umask \(umask)
                {
                    "$ICECORE" init shared --bucket s3://bucket --inventory \(scenario.folder.url) && \
                    "$ICECORE" sync --store shared && "$ICECORE" verify --store shared && \
                    "$ICECORE" push file://$PWD/replica --store shared && \
                    "$ICECORE" clone file://$PWD/replica clone && "$ICECORE" export target --store shared && \
                    mkdir point && "$ICECORE" mount point --store shared && fusermount3 -u point
                } > outputs/said || exit 1
                find shared clone replica target -not -perm -020
                find shared clone replica target -perm /00\(umask == "007" ? 7 : 2)
                """)
            #expect(run.status == 0, "\(run)")
            // Contents, and what was pushed of the index and of inventories, are nobody's to change.
            let closed = run.text.split(separator: "\n").filter { path in
                !["/blobs/", "/data/", "/snapshots/", "replica/inventories/", "clone/inventories/"].contains {
                    path.contains($0)
                }
            }
            #expect(closed.isEmpty, "\(closed)")
        }
    }

    @Test func umask077KeepsEverythingPrivate() throws {
        try use { scenario in
            let run = try scenario.shell(
                """
                umask 077; "$ICECORE" init private --bucket s3://bucket --inventory \(scenario.folder.url) && \
                "$ICECORE" sync --store private && "$ICECORE" verify --store private && \
                "$ICECORE" push file://$PWD/replica --store private && "$ICECORE" clone file://$PWD/replica clone
                find private replica clone -perm /077 -not -path '*/inventories/*/data/*'
                """)
            #expect(run.status == 0, "\(run)")
            // A kept list file may be the original under a second name, below directories that nobody else can enter.
            for place in ["private", "clone", "replica"] {
                #expect(!run.text.split(separator: "\n").contains { $0.hasPrefix(place) }, "\(run)")
            }
        }
    }
}
