import Basics
import Foundation
import Testbed
import Testing

/// Replicas that are damaged, somebody else's, ahead, or too large.
@Suite struct PushPruneTests {
    private static func change(_ place: ReplicaPlace, _ path: String, _ body: (inout [UInt8]) -> Void) throws {
        try VerifyBench.change("\(place.url.dropFirst(7))/\(path)", body)
    }

    /// The paths of the newest snapshot's files.
    private static func newest(_ place: ReplicaPlace) throws -> (path: String, metadata: [String: Any]) {
        let root = place.url.dropFirst(7)
        func document(_ path: String) throws -> [String: Any] {
            let json = try JSONSerialization.jsonObject(with: Data(try Files.read("\(root)/\(path)", limit: 1 << 24)))
            return try #require(json as? [String: Any])
        }
        let path = try #require(try document("latest.json")["snapshot"] as? String)
        return (path, try document("\(path)/metadata.json"))
    }

    @Test func aReplicaWithoutManifestIsListed() throws {
        try VerifyBench.use { bench in
            let place = ReplicaPlace.directory(bench.bench)
            try bench.bench.push(place)
            let path = try Self.newest(place).path
            try Self.change(place, "\(path)/blobs-000000.gz") { $0[20] ^= 1 }
            let clone = try bench.bench.run(["clone", place.url, "\(bench.bench.directory)/clone"])
            #expect(clone.status == 0 && clone.stderr.contains("listing the blobs instead"), "\(clone)")
            try bench.bench.expectSame("\(bench.bench.directory)/clone", as: bench.store)
            // A store that knows nothing of it lists as well, and mends it.
            try Files.removeAll("\(bench.store)/replicas")
            let push = try bench.bench.push(place)
            #expect(push.stderr.contains("listing the blobs instead"), "\(push)")
            let again = try bench.bench.clone(place, "again")
            try bench.bench.expectSame(again, as: bench.store)
            #expect(try bench.bench.push(place).stderr == "")
        }
    }

    @Test func damageInAReplicaIsFound() throws {
        try VerifyBench.use { bench in
            let place = ReplicaPlace.directory(bench.bench)
            try bench.bench.push(place)
            let path = try Self.newest(place).path
            func expectRefused(_ path: String, _ sentence: String, _ change: (inout [UInt8]) -> Void) throws {
                let file = "\(place.url.dropFirst(7))/\(path)"
                let content = try Files.read(file, limit: 1 << 28)
                try Self.change(place, path, change)
                let clone = try bench.bench.run(["clone", place.url, "\(bench.bench.directory)/clone"])
                #expect(clone.status != 0 && clone.stderr.contains(sentence), "\(clone)")
                #expect(!Files.exists("\(bench.bench.directory)/clone/icecore.json"))
                try Self.change(place, path) { $0 = content }
            }
            try expectRefused("\(path)/metadata.json", "SHA-256") { $0[30] ^= 1 }
            try expectRefused("\(path)/index-000000.gz", "is damaged") { $0[100] ^= 1 }
            try expectRefused("latest.json", "damaged") { $0.removeLast($0.count / 2) }
            try expectRefused("latest.json", "install a newer icecore") { latest in
                latest = Array(
                    String(decoding: latest, as: UTF8.self).replacing("\"format\" : 1", with: "\"format\" : 2").utf8)
            }
            let blob = bench.blob(bench.rows[3]).dropFirst(bench.store.utf8.count + 1)
            try expectRefused(String(blob), "could not be fetched") { $0[0] ^= 1 }
            // Everything else has come, and stays.
            let clone = try bench.bench.clone(place, "clone")
            try bench.bench.expectSame(clone, as: bench.store)
            // What later programs may add is passed over.
            try Self.change(place, "icecore-replica.json") { marker in
                marker = Array(
                    String(decoding: marker, as: UTF8.self).replacing("{", with: "{ \"later\": [1, {}],").utf8)
            }
            try bench.bench.clone(place, "clone")
            try bench.bench.push(place)
        }
    }

    @Test func aReplicaNeverMovesBackwards() throws {
        try VerifyBench.use(small: 5) { bench in
            let place = ReplicaPlace.directory(bench.bench)
            let old = "\(bench.bench.directory)/old"
            #expect(try bench.bench.shell("cp -a '\(bench.store)' '\(old)'").status == 0)
            try bench.sync.add("2024-03-04T01-00Z", bench.rows)
            try bench.bench.succeed("sync", "--date", "2024-03-04T01-00Z")
            try bench.bench.push(place)
            for words in [[], ["--no-cas"]] {
                let push = try bench.bench.run(["push", place.url, "--store", old] + words)
                #expect(push.status == 1 && push.stderr.contains("it is not moved backwards"), "\(push)")
                #expect(push.stderr.contains("2024-03-04T01-00Z"))
            }
            // A store of its own has no business here, and neither has this one in another's replica.
            let stranger = "\(bench.bench.directory)/stranger"
            try bench.bench.run(["init", stranger, "--bucket", "s3://bucket", "--inventory", bench.sync.folder.url])
            try bench.bench.run(["sync", "--store", stranger])
            let push = try bench.bench.run(["push", place.url, "--store", stranger])
            #expect(push.status == 1 && push.stderr.contains("the replica of another store"), "\(push)")
            let clone = try bench.bench.run(["clone", place.url, stranger])
            #expect(clone.status == 1 && clone.stderr.contains("another store"), "\(clone)")
            // A clone that is ahead is not taken back either.
            let ahead = try bench.bench.clone(place, "ahead")
            try bench.sync.add("2024-03-05T01-00Z", bench.rows)
            #expect(try bench.bench.run(["sync", "--date", "2024-03-05T01-00Z", "--store", ahead]).status == 0)
            let back = try bench.bench.run(["clone", place.url, ahead])
            #expect(back.status == 1 && back.stderr.contains("2024-03-05T01-00Z"), "\(back)")
            try bench.bench.push(place, store: ahead)
            try bench.bench.expectSame(try bench.bench.clone(place, "last"), as: ahead)
        }
    }

    @Test func aServerWithoutConditionalWritesIsFoundOut() throws {
        try VerifyBench.use(small: 5) { bench in
            // Ceph's gateway ignores If-None-Match in buckets with versions.
            let place = try ReplicaPlace.bucket(RGWServer.shared(), versioned: true)
            let push = try bench.bench.push(place, status: 1)
            #expect(
                push.stderr.contains("does not support conditional writes (it ignores 'If-None-Match: *'"), "\(push)")
            #expect(push.stderr.contains("--no-cas"))
            try bench.bench.push(place, "--no-cas")
            try bench.bench.push(place)
            try bench.bench.expectSame(try bench.bench.clone(place, "clone"), as: bench.store)
        }
    }

    @Test func damagedBlobsAreNotSent() throws {
        try VerifyBench.use { bench in
            let place = try PushTests.place("moto", bench.bench)
            for key in ["small/0/3", "parted", "secret"] {
                try VerifyBench.change(bench.blob(try bench.row(key))) { $0[$0.count / 2] ^= 4 }
            }
            let push = try bench.bench.push(place, status: 1)
            #expect(push.stderr.contains("3 blobs of the store are damaged"), "\(push)")
            for key in ["small/0/3", "parted", "secret"] {
                let name = try #require(bench.blob(try bench.row(key)).split(separator: "/").last)
                #expect(push.stderr.contains(name), "\(push)")
            }
            #expect(try bench.bench.run(["verify", "--repair", "--store", bench.store]).status == 0)
            try bench.bench.push(place)
            try bench.bench.expectSame(try bench.bench.clone(place, "clone"), as: bench.store)
        }
    }

    @Test(arguments: ["file", "moto"]) func whatIsNoLongerNeededGoesInTwoSteps(_ kind: String) throws {
        try VerifyBench.use { bench in
            let place = try PushTests.place(kind, bench.bench)
            try bench.bench.push(place)
            let before = try bench.bench.clone(place, "before")
            // The first version of the first key, and the second key, are in the first snapshot alone.
            let prune = try bench.bench.succeed("prune", "--keep-last", "1")
            #expect(prune.status == 0)
            let gone = Set(try StoreDigest.blobs(before).keys).subtracting(try StoreDigest.blobs(bench.store).keys)
            #expect(gone.count == 2)
            func has() throws -> Bool {
                let name = try #require(gone.first)
                if kind == "file" { return Files.exists("\(place.url.dropFirst(7))/blobs/\(name)") }
                return try !S3Admin(#require(place.server)).listVersions(
                    place.bucketName, prefix: "some/prefix/blobs/\(name)"
                ).isEmpty
            }
            // Without --prune it stays; marked, it stays for the time of grace; then it goes.
            try bench.bench.push(place)
            #expect(try has())
            let mark = try bench.bench.push(place, "--prune", "--json")
            #expect(try mark.records.first?["marked"] as? Int ?? 0 > 0, "\(mark)")
            #expect(try has())
            try bench.bench.push(place, "--prune")
            #expect(try has())
            let delete = try bench.bench.push(place, "--prune", "--grace", "0h", "--json")
            #expect(try delete.records.first?["deleted"] as? Int ?? 0 > 0, "\(delete)")
            #expect(try !has())
            try bench.bench.expectSame(try bench.bench.clone(place, "after"), as: bench.store)
            try bench.bench.clone(place, "before")
            try bench.bench.push(place, "--prune", "--grace", "0h")
            try bench.bench.push(place)
            try bench.bench.expectSame(try bench.bench.clone(place, "last"), as: bench.store)
        }
    }
}
