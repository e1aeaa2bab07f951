import Basics
import Foundation
import Testbed
import Testing

/// A bucket becomes again what it was.
@Suite struct RestoreTests {
    private static func proxied(_ bucket: LostBucket) throws -> (ProxyServer, [String: String]) {
        let proxy = try ProxyServer(to: bucket.server)
        return (proxy, ["AWS_ENDPOINT_URL": proxy.endpoint])
    }

    @Test(arguments: ["RGW", "moto"]) func theBucketIsAgainWhatItWas(_ kind: String) throws {
        try LostBucket.use(kind) { bucket in
            try bucket.change()
            let (proxy, environment) = try Self.proxied(bucket)
            let url = "s3://\(bucket.name)"
            let rehearsal = try bucket.restore(url, "--dry-run", environment: environment)
            #expect(rehearsal.status == 0, "\(rehearsal)")
            #expect(try !proxy.log().contains { !$0.hasPrefix("GET") && !$0.hasPrefix("HEAD") })
            try proxy.reset()

            let run = try bucket.restore(url, environment: environment)
            #expect(run.status == 0, "\(run)")
            try bucket.expectFirst(in: bucket.name, besides: bucket.new)
            let (planned, done) = (try rehearsal.record, try run.record)
            for count in ["equal", "copied", "uploaded", "unavailable", "deleted"] {
                #expect(planned[count] as? Int == done[count] as? Int, "\(count): \(rehearsal) \(run)")
            }
            #expect(done["copied"] as? Int ?? 0 > 50 && done["uploaded"] as? Int ?? 0 > 10, "\(run)")
            // What was copied has moved no bytes: only what had to be uploaded was sent, and documents.
            let uploaded = done["uploadedBytes"] as? Int ?? 0
            #expect(try proxy.sent() < uploaded + 100_000, "\(run)")

            try proxy.reset()
            let again = try bucket.restore(url, environment: environment)
            #expect(again.status == 0, "\(again)")
            #expect(try again.record["equal"] as? Int == bucket.first.count)
            #expect(try proxy.log().allSatisfy { $0.hasPrefix("GET") && $0.contains("list-type=2") }, "\(again)")
        }
    }

    @Test(arguments: ["RGW", "moto"]) func deletesWhatIsNewAndLosesNoVersion(_ kind: String) throws {
        try LostBucket.use(kind, plain: 40) { bucket in
            try bucket.change()
            let before = Set(try bucket.admin.listVersions(bucket.name).map { "\($0.key) \($0.versionId)" })
            let rehearsal = try bucket.restore("s3://\(bucket.name)", "--delete", "--dry-run")
            #expect(try rehearsal.record["deleted"] as? Int == bucket.new.count, "\(rehearsal)")
            let run = try bucket.restore("s3://\(bucket.name)", "--delete")
            #expect(run.status == 0, "\(run)")
            #expect(try run.record["deleted"] as? Int == bucket.new.count, "\(run)")
            try bucket.expectFirst(in: bucket.name)
            let after = Set(try bucket.admin.listVersions(bucket.name).map { "\($0.key) \($0.versionId)" })
            #expect(before.isSubset(of: after))
        }
    }

    @Test(arguments: ["RGW", "moto"]) func anEmptyBucketGetsEverythingUnderAPrefix(_ kind: String) throws {
        try LostBucket.use(kind, plain: 60) { bucket in
            try bucket.change()
            let other = "\(bucket.name)-other"
            try bucket.admin.createBucket(other, versioned: false)
            // A key of 1,024 bytes has no room for a prefix.
            let run = try bucket.restore("s3://\(other)/back here")
            #expect(run.status == 3, "\(run)")
            #expect(try run.record["failed"] as? Int == 1 && run.stderr.contains("longer than"), "\(run)")
            let whole = try bucket.restore("s3://\(other)")
            #expect(whole.status == 0, "\(whole)")
            try bucket.admin.put(other, "back here/besides", bytes("theirs"))
            try bucket.expectFirst(
                in: other,
                besides: ["besides"].map { "back here/\($0)" }
                    + (try bucket.admin.describe(other, prefix: "back here/").map(\.key)).filter {
                        $0 != "back here/besides"
                    })
            let under = LostBucket.comparable(
                try bucket.admin.describe(other, prefix: "back here/"), prefix: "back here/")
            for object in bucket.first where object.key.utf8.count < 1000 && !bucket.hidesParts(object.key) {
                #expect(under[object.key]?.etag == object.etag, "\(object.key)")
            }
        }
    }

    @Test func onlyKeysWithThePrefixAreTouched() throws {
        try LostBucket.use("RGW", plain: 30) { bucket in
            try bucket.change()
            let run = try bucket.restore("s3://\(bucket.name)", "--prefix", "plain/0", "--delete")
            #expect(run.status == 0, "\(run)")
            #expect(try run.record["deleted"] as? Int == 1, "\(run)")
            let there = LostBucket.comparable(try bucket.admin.describe(bucket.name))
            #expect(there["plain/0/new"] == nil && there["zzz new"] != nil)
            for object in bucket.first where object.key.hasPrefix("plain/0") {
                #expect(there[object.key]?.etag == object.etag, "\(object.key)")
            }
        }
    }

    @Test func withoutADateTheStoresOwnBucketIsRefused() throws {
        try LostBucket.use("moto", plain: 5) { bucket in
            let run = try bucket.scenario.run([
                "restore", "s3://\(bucket.name)", "--store", bucket.scenario.store,
            ])
            #expect(run.status == 64 && run.stderr.contains("--at"), "\(run)")
            let elsewhere = "\(bucket.name)-elsewhere"
            try bucket.admin.createBucket(elsewhere, versioned: false)
            let other = try bucket.scenario.run([
                "restore", "s3://\(elsewhere)", "--store", bucket.scenario.store,
            ])
            #expect(other.status == 0 && other.text.contains("uploaded"), "\(other)")
            let none = try bucket.scenario.run([
                "restore", "s3://\(bucket.name)-nowhere", "--store", bucket.scenario.store,
            ])
            #expect(none.status == 1 && none.stderr.contains("NoSuchBucket"), "\(none)")
        }
    }

    /// Content-Encoding says how the bytes are packed; nothing on the way may unpack them.
    @Test(arguments: ["RGW", "moto"]) func whatIsPackedComesBackPacked(_ kind: String) throws {
        try LostBucket.use(kind, plain: 1) { bucket in
            let other = "\(bucket.name)-other"
            try bucket.admin.createBucket(other, versioned: false)
            let run = try bucket.restore("s3://\(other)", "--prefix", "packed")
            #expect(run.status == 0, "\(run)")
            let there = try #require(try bucket.admin.describe(other).first)
            let was = try #require(bucket.first.first { $0.key == there.key })
            #expect(there.md5 == was.md5 && there.headers["content-encoding"] == "gzip", "\(there)")
            #expect(there.headers["content-type"] == "text/plain", "\(there)")
        }
    }

    /// The store lacks some contents: those that the source has are fetched, the others are named.
    @Test func whatTheStoreLacksIsFetchedOrNamed() throws {
        try LostBucket.use("RGW", plain: 20) { bucket in
            let scenario = bucket.scenario
            let lost = bucket.first.filter { $0.key.hasPrefix("plain/") }
            for object in lost.prefix(6) {
                let size = bytes("content of \(object.key.split(separator: "/").last ?? "")").count
                try Files.remove("\(scenario.store)/blobs/\(object.etag.prefix(2))/\(object.etag)-\(size)")
            }
            // Of two of them, the source has lost all versions.
            for object in lost.prefix(2) {
                for version in try bucket.admin.listVersions(bucket.name, prefix: object.key)
                where version.key == object.key {
                    try bucket.admin.deleteVersion(bucket.name, version.key, version.versionId)
                }
            }
            let other = "\(bucket.name)-other"
            try bucket.admin.createBucket(other, versioned: false)
            let run = try bucket.restore("s3://\(other)")
            #expect(run.status == 3, "\(run)")
            #expect(try run.record["unavailable"] as? Int == 2, "\(run)")
            for object in lost.prefix(2) { #expect(run.stderr.contains("unavailable: \(object.key)"), "\(run)") }
            #expect(try bucket.admin.describe(other).count == bucket.first.count - 2)
        }
    }
}
