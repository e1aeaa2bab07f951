import Basics
import Foundation
import Testbed
import Testing

/// Replicas and stores that disks, people or somebody with bad intentions have changed.
@Suite struct ReplicaDamageTests {
    private static func use(_ body: (Scenario, ReplicaPlace, _ root: String) throws -> Void) throws {
        try Scenario.withContents { scenario in
            let place = ReplicaPlace.directory(scenario)
            try scenario.push(place)
            try body(scenario, place, String(place.url.dropFirst(7)))
        }
    }

    private static func clone(_ scenario: Scenario, _ place: ReplicaPlace, _ words: String...) throws -> Run {
        let target = "\(scenario.directory)/clone"
        try Files.removeAll(target)
        return try scenario.run(["clone", place.url, target] + words, seconds: 30)
    }

    private static func change(_ place: ReplicaPlace, _ path: String, _ body: (inout [UInt8]) -> Void) throws {
        try Scenario.change("\(place.url.dropFirst(7))/\(path)", body)
    }

    // MARK: - Finding

    @Test func damageInAReplicaIsFound() throws {
        try Scenario.withContents { scenario in
            let place = ReplicaPlace.directory(scenario)
            try scenario.push(place)
            let path = try place.documents().path
            func expectRefused(_ path: String, _ sentence: String, _ change: (inout [UInt8]) -> Void) throws {
                let file = "\(place.url.dropFirst(7))/\(path)"
                let content = try Files.read(file, limit: 1 << 28)
                try Self.change(place, path, change)
                let clone = try scenario.run(["clone", place.url, "\(scenario.directory)/clone"])
                #expect(clone.status != 0 && clone.stderr.contains(sentence), "\(clone)")
                #expect(!Files.exists("\(scenario.directory)/clone/icecore.json"))
                try Self.change(place, path) { $0 = content }
            }
            try expectRefused("\(path)/metadata.json", "SHA-256") { $0[30] ^= 1 }
            try expectRefused("\(path)/index-000000.gz", "is damaged") { $0[100] ^= 1 }
            try expectRefused("latest.json", "damaged") { $0.removeLast($0.count / 2) }
            try expectRefused("latest.json", "install a newer icecore") { latest in
                latest = Array(
                    String(decoding: latest, as: UTF8.self).replacing("\"format\" : 1", with: "\"format\" : 3").utf8)
            }
            let blob = scenario.blob(scenario.rows[3]).dropFirst(scenario.store.utf8.count + 1)
            try expectRefused(String(blob), "could not be fetched") { $0[0] ^= 1 }
            // Everything else has come, and stays.
            let clone = try scenario.clone(place, "clone")
            try scenario.expectSame(clone, as: scenario.store)
            // What later programs may add is passed over.
            try Self.change(place, "icecore-replica.json") { marker in
                marker = Array(
                    String(decoding: marker, as: UTF8.self).replacing("{", with: "{ \"later\": [1, {}],").utf8)
            }
            try scenario.clone(place, "clone")
            try scenario.push(place)
        }
    }

    @Test func aReplicaWithoutManifestIsListed() throws {
        try Scenario.withContents { scenario in
            let place = ReplicaPlace.directory(scenario)
            try scenario.push(place)
            let path = try place.documents().path
            try Self.change(place, "\(path)/blobs-000000.gz") { $0[20] ^= 1 }
            let clone = try scenario.run(["clone", place.url, "\(scenario.directory)/clone"])
            #expect(clone.status == 0 && clone.stderr.contains("listing the blobs instead"), "\(clone)")
            try scenario.expectSame("\(scenario.directory)/clone", as: scenario.store)
            // A store that knows nothing of it lists as well, and mends it.
            try Files.removeAll("\(scenario.store)/replicas")
            let push = try scenario.push(place)
            #expect(push.stderr.contains("listing the blobs instead"), "\(push)")
            let again = try scenario.clone(place, "again")
            try scenario.expectSame(again, as: scenario.store)
            #expect(try scenario.push(place).stderr == "")
        }
    }

    // MARK: - Mending

    @Test(arguments: ["a blob", "metadata.json", "a chunk", "everything that describes it"])
    func whatIsMissingIsSentAgain(_ what: String) throws {
        try Self.use { scenario, place, root in
            let path = "\(root)/\(try place.documents().path)"
            let blob = scenario.blob(try scenario.row("parted")).dropFirst(scenario.store.utf8.count + 1)
            switch what {
            case "a blob": try Files.remove("\(root)/\(blob)")
            case "metadata.json": try Files.remove("\(path)/metadata.json")
            case "a chunk": try Files.remove("\(path)/index-000000.gz")
            default: try Files.removeAll(path)
            }
            #expect(try Self.clone(scenario, place).status != 0)
            try scenario.push(place, "--check")
            try scenario.expectSame(try scenario.clone(place, "again"), as: scenario.store)
            try scenario.push(place)
            try scenario.push(place, "--check")
            try scenario.expectSame(try scenario.clone(place, "again"), as: scenario.store)
        }
    }

    /// When nothing else is left, a clone without some blobs is better than none.
    @Test func aStoreCanBeMadeOfWhatIsLeft() throws {
        try Self.use { scenario, place, root in
            let row = try scenario.row("parted")
            try Scenario.change("\(root)\(scenario.blob(row).dropFirst(scenario.store.utf8.count))") { $0[7] ^= 1 }
            let refused = try Self.clone(scenario, place)
            #expect(refused.status == 3 && refused.stderr.contains("--accept-missing"), "\(refused)")
            #expect(!Files.exists("\(scenario.directory)/clone/icecore.json"))
            let run = try Self.clone(scenario, place, "--accept-missing")
            #expect(run.status == 3 && run.stderr.contains("1 blob could not be fetched"), "\(run)")
            let clone = "\(scenario.directory)/clone"
            let verify = try scenario.run(["verify", "--store", clone, "--json"])
            #expect(verify.status != 0 && verify.text.contains("parted"), "\(verify)")
            for other in scenario.rows where other.isLatest && other.key != "parted" && !other.isMarker {
                let cat = try scenario.run(["cat", other.key, "--store", clone])
                #expect(cat.stdout == other.content, "\(cat)")
            }
        }
    }

    /// That a content comes twice in the same form vouches for it only where no part size is recorded.
    @Test func aPartThatIsDamagedInABucketIsRefused() throws {
        try Scenario.withContents { scenario in
            let place = try ReplicaPlace.bucket(MotoServer.shared())
            try scenario.push(place)
            let row = try scenario.row("parted")
            var content = row.content
            content[7] ^= 1
            let key = "some/prefix/\(scenario.blob(row).dropFirst(scenario.store.utf8.count + 1))"
            try S3Admin(MotoServer.shared()).put(place.bucketName, key, content)
            let clone = try scenario.clone(place, "clone", "--accept-missing", status: 3)
            let cat = try scenario.run(["cat", "parted", "--store", clone])
            #expect(cat.status != 0 && cat.stdout.isEmpty, "\(cat)")
        }
    }

    @Test func aListingThatLacksBlobsIsNotTakenForAll() throws {
        try Self.use { scenario, place, root in
            try Files.remove("\(root)/\(try place.documents().path)/blobs-000000.gz")
            let path = scenario.blob(try scenario.row("parted")).dropFirst(scenario.store.utf8.count)
            // What is no file is nobody's blob.
            #expect(mkfifo("\(root)/blobs/aa-fifo", 0o600) == 0)
            #expect(try Self.clone(scenario, place).status == 0)
            try Files.remove("\(root)\(path)")
            let run = try Self.clone(scenario, place)
            #expect(run.status == 3 && run.stderr.contains("1 blob that was pushed is no longer there"), "\(run)")
        }
    }

    // MARK: - Stores that are not sound

    @Test func aDamagedIndexReplacesNoSoundOne() throws {
        try Self.use { scenario, place, _ in
            try scenario.add("2024-03-04T01-00Z", scenario.rows)
            try scenario.succeed("sync", "--date", "2024-03-04T01-00Z")
            let change = try scenario.shell(
                "/usr/bin/python3 -c \"import sqlite3; c = sqlite3.connect('$STORE/index.sqlite'); "
                    + "c.execute(\\\"UPDATE entry SET size = size + 1 WHERE size > 100\\\"); c.commit()\"")
            #expect(change.status == 0, "\(change)")
            let run = try scenario.push(place, status: 1)
            #expect(run.stderr.contains("the store's index is damaged"), "\(run)")
            #expect(try Self.clone(scenario, place).status == 0)
        }
    }

    @Test func damagedBlobsAreNotSent() throws {
        try Scenario.withContents { scenario in
            let place = try PushTests.place("moto", scenario)
            for key in ["small/0/3", "parted", "secret"] {
                try Scenario.change(scenario.blob(try scenario.row(key))) { $0[$0.count / 2] ^= 4 }
            }
            let push = try scenario.push(place, status: 1)
            #expect(push.stderr.contains("3 blobs of the store are damaged"), "\(push)")
            for key in ["small/0/3", "parted", "secret"] {
                let name = try #require(scenario.blob(try scenario.row(key)).split(separator: "/").last)
                #expect(push.stderr.contains(name), "\(push)")
            }
            #expect(try scenario.run(["verify", "--repair", "--store", scenario.store]).status == 0)
            try scenario.push(place)
            try scenario.expectSame(try scenario.clone(place, "clone"), as: scenario.store)
        }
    }

    @Test func blobsThatAStoreHasLostAreCounted() throws {
        try Scenario.withContents { scenario in
            let place = ReplicaPlace.directory(scenario)
            try Files.remove(scenario.blob(try scenario.row("parted")))
            let run = try scenario.push(place, status: 3)
            #expect(run.stderr.contains("1 content that the store expects"), "\(run)")
            let clone = try Self.clone(scenario, place)
            #expect(clone.status == 3, "\(clone)")
        }
    }

    @Test func aReplicaIsAPlaceOfItsOwn() throws {
        try Scenario.withContents { scenario in
            let before = try StoreDigest.of(scenario.store)
            try FileManager.default.createSymbolicLink(
                atPath: "\(scenario.directory)/link", withDestinationPath: scenario.store)
            for path in ["", "/", "/replica", "/blobs/x", "/../link"] {
                let run = try scenario.run(["push", "file://\(scenario.store)\(path)", "--store", scenario.store])
                #expect(run.status == 64 && run.stderr.contains("choose a separate directory"), "\(run)")
            }
            StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
        }
    }

    // MARK: - Bad intentions

    @Test func numbersThatCannotBeAreDamage() throws {
        try Self.use { scenario, place, _ in
            try scenario.add("2024-03-04T01-00Z", scenario.rows + [.init("new", bytes("new"))])
            try scenario.succeed("sync", "--date", "2024-03-04T01-00Z")
            for name in ["sequence", "blobs", "blobBytes", "missing"] {
                for value in [Int64.max, -1, .min] {
                    let saved = try place.forge { latest, metadata in
                        metadata[name] = value
                        if name == "sequence" { latest[name] = value }
                    }
                    let run = try scenario.push(place, status: 1)
                    #expect(
                        run.stderr.contains("damaged") || run.stderr.contains("out of range")
                            || run.stderr.contains("does not belong"), "\(run)")
                    #expect(try Self.clone(scenario, place).status == 1)
                    try saved()
                }
            }
            try scenario.push(place)
        }
    }

    @Test(arguments: [
        "photos/2020.jpg", "snapshots/x/../../f", "/etc/passwd", "blobs/aa/file", "snapshots/.x/f", "lock",
    ])
    func nothingButAReplicasOwnFilesIsDeleted(_ path: String) throws {
        try Self.use { scenario, place, root in
            try Files.createDirectories("\(root)/photos")
            try Files.createDirectories("\(root)/blobs/aa")
            for name in ["photos/2020.jpg", "blobs/aa/file"] {
                try Files.replace("\(root)/\(name)", with: bytes("mine"))
            }
            let saved = try place.forge { _, metadata in
                metadata["retired"] = [["paths": [path], "since": "2020-01-01T00:00:00Z"]]
            }
            let run = try scenario.push(place, "--prune", "--grace", "0h", status: 1)
            #expect(run.stderr.contains("is not a path in a replica"), "\(run)")
            try saved()
            for name in ["photos/2020.jpg", "blobs/aa/file"] { #expect(Files.exists("\(root)/\(name)")) }
        }
    }

    @Test(arguments: ["snapshots/x", "snapshots", "blobs", "tmp", "lock"])
    func noLinkIsFollowedOutOfAReplica(_ name: String) throws {
        try Self.use { scenario, place, root in
            let victim = "\(scenario.directory)/victim"
            try Files.createDirectories("\(victim)/aa")
            try Files.replace("\(victim)/precious", with: bytes("mine"))
            if name == "snapshots/x" {
                _ = try place.forge { _, metadata in
                    metadata["retired"] = [["paths": ["snapshots/x/precious"], "since": "2020-01-01T00:00:00Z"]]
                }
            } else {
                try? FileManager.default.moveItem(atPath: "\(root)/\(name)", toPath: "\(root)/was")
            }
            try FileManager.default.createSymbolicLink(
                atPath: "\(root)/\(name)", withDestinationPath: name == "lock" ? "\(victim)/created" : victim)
            try scenario.add("2024-03-04T01-00Z", scenario.rows + [.init("new", bytes("new"))])
            try scenario.succeed("sync", "--date", "2024-03-04T01-00Z")
            let run = try scenario.run(
                ["push", place.url, "--store", scenario.store, "--prune", "--grace", "0h"])
            #expect(run.status == 1 && run.complaints.count <= 2, "\(run)")
            #expect(try Files.names(in: victim).sorted() == ["aa", "precious"])
        }
    }

    @Test func whatIsNoFileIsNotWaitedFor() throws {
        try Self.use { scenario, place, root in
            for name in ["latest.json", "icecore-replica.json", "\(try place.documents().path)/metadata.json"] {
                try Files.rename("\(root)/\(name)", "\(root)/saved")
                #expect(mkfifo("\(root)/\(name)", 0o600) == 0)
                let run = try Self.clone(scenario, place)
                #expect(run.status == 1 && run.stderr.contains("is no file"), "\(run)")
                try Files.remove("\(root)/\(name)")
                try Files.rename("\(root)/saved", "\(root)/\(name)")
            }
        }
    }

    @Test func aStrangersWordsDoNotReachTheTerminal() throws {
        try Self.use { scenario, place, _ in
            let old = "\(scenario.directory)/old"
            #expect(try scenario.shell("cp -a '\(scenario.store)' '\(old)'").status == 0)
            try scenario.add("2024-03-04T01-00Z", scenario.rows)
            try scenario.succeed("sync", "--date", "2024-03-04T01-00Z")
            try scenario.push(place)
            _ = try place.forge { latest, _ in
                latest["pushedBy"] = "\u{1b}[2J" + String(repeating: "x", count: 100_000)
            }
            let run = try scenario.push(place, store: old, status: 1)
            #expect(!run.stderr.contains("\u{1b}") && run.stderr.utf8.count < 1000, "\(run)")
        }
    }

    @Test func anIndexWithTriggersIsRefused() throws {
        try Self.use { scenario, place, root in
            let script = """
                import gzip, hashlib, json, sqlite3, sys
                root = sys.argv[1]
                latest = json.load(open(root + "/latest.json"))
                path = root + "/" + latest["snapshot"]
                metadata = json.load(open(path + "/metadata.json"))
                data = b"".join(gzip.open(root + "/" + c["path"]).read() for c in metadata["index"]["chunks"])
                open("forged", "wb").write(data)
                index = sqlite3.connect("forged")
                index.execute("PRAGMA journal_mode = DELETE")
                index.execute("CREATE TRIGGER bad AFTER INSERT ON snapshot BEGIN DELETE FROM entry; END")
                index.commit()
                index.close()
                data = open("forged", "rb").read()
                size = metadata["index"]["chunkSize"]
                chunks = []
                for number in range(0, len(data), size):
                    piece = data[number:number + size]
                    name = "%s/index-%06d.gz" % (latest["snapshot"], number // size)
                    open(root + "/" + name, "wb").write(gzip.compress(piece))
                    chunks.append({"path": name, "sha256": hashlib.sha256(piece).hexdigest(), "size": len(piece)})
                metadata["index"].update(size=len(data), chunks=chunks)
                text = json.dumps(metadata).encode()
                open(path + "/metadata.json", "wb").write(text)
                latest["metadataSHA256"] = hashlib.sha256(text).hexdigest()
                json.dump(latest, open(root + "/latest.json", "w"))
                """
            try Files.replace("\(scenario.directory)/forge.py", with: bytes(script))
            let forged = try scenario.shell("chmod -R u+w '\(root)'; /usr/bin/python3 forge.py '\(root)'")
            try #require(forged.status == 0, "\(forged)")
            let run = try Self.clone(scenario, place)
            #expect(run.status == 1 && run.stderr.contains("trigger"), "\(run)")
            let list = try scenario.run(
                ["ls", "--replica", place.url, "--cache", "\(scenario.directory)/cache"])
            #expect(list.status == 1 && list.stderr.contains("trigger"), "\(list)")
        }
    }

    @Test func aCacheThatOthersCanWriteToIsNotUsed() throws {
        try Self.use { scenario, place, _ in
            let cache = "\(scenario.directory)/cache"
            let words = ["ls", "--replica", place.url, "--cache", cache]
            #expect(try scenario.run(words).status == 0)
            let own = "\(cache)/\(try #require(try Files.names(in: cache).first))"
            chmod(own, 0o777)
            let run = try scenario.run(words)
            #expect(run.status == 1 && run.stderr.contains("--cache"), "\(run)")
            try Files.removeAll(own)
            let victim = "\(scenario.directory)/victim"
            try Files.createDirectories("\(victim)/chunks")
            try Files.replace("\(victim)/chunks/precious", with: bytes("mine"))
            try FileManager.default.createSymbolicLink(atPath: own, withDestinationPath: victim)
            #expect(try scenario.run(words).status == 1)
            #expect(Files.exists("\(victim)/chunks/precious"))
        }
    }
}

extension ReplicaPlace {
    private var root: String { String(url.dropFirst(7)) }

    private func document(_ path: String) throws -> [String: Any] {
        let json = try JSONSerialization.jsonObject(with: Data(try Files.read("\(root)/\(path)", limit: 1 << 24)))
        return try #require(json as? [String: Any])
    }

    /// What `latest.json` of a replica in a directory says, and what it points to.
    func documents() throws -> (path: String, latest: [String: Any], metadata: [String: Any]) {
        let latest = try document("latest.json")
        let path = try #require(latest["snapshot"] as? String)
        return (path, latest, try document("\(path)/metadata.json"))
    }

    /// Changes them so that they fit together.
    ///
    /// - Returns: what puts the old ones back.
    func forge(_ change: (_ latest: inout [String: Any], _ metadata: inout [String: Any]) throws -> Void) throws -> ()
        throws -> Void
    {
        var (path, latest, metadata) = try documents()
        let files = ["\(root)/latest.json", "\(root)/\(path)/metadata.json"]
        let old = try files.map { try Files.read($0, limit: 1 << 24) }
        try change(&latest, &metadata)
        let text = [UInt8](try JSONSerialization.data(withJSONObject: metadata))
        latest["metadataSHA256"] = Hex.encode(SHA256.digest(text))
        try Files.replace(files[1], with: text)
        try Files.replace(files[0], with: [UInt8](try JSONSerialization.data(withJSONObject: latest)))
        return { for (file, content) in zip(files, old) { try Files.replace(file, with: content) } }
    }
}
