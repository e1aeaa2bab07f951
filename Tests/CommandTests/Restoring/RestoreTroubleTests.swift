import Basics
import Foundation
import Testbed
import Testing

/// Restores that are killed, stopped, or have to do with a server that fails.
@Suite struct RestoreTroubleTests {
    private static let isSoak = ProcessInfo.processInfo.environment["ICECORE_SOAK"] == "1"

    private func proxied(_ bucket: LostBucket) throws -> (ProxyServer, [String: String]) {
        let proxy = try ProxyServer(to: bucket.server)
        return (proxy, ["AWS_ENDPOINT_URL": proxy.endpoint])
    }

    @Test func aRestoreCanBeKilledAtAnyRequest() throws {
        let wanted = Self.isSoak ? 200 : 8
        try LostBucket.use("RGW", plain: 40) { bucket in
            try bucket.change()
            let (proxy, environment) = try proxied(bucket)
            var (kills, rounds) = (0, 0)
            while kills < wanted {
                rounds += 1
                let target = "\(bucket.name)-\(rounds)"
                try bucket.admin.createBucket(target, versioned: false)
                while kills < wanted {
                    try proxy.reset()
                    let restore = try bucket.scenario.start(
                        ["restore", "s3://\(target)", "--at", LostBucket.firstDay, "--store", bucket.scenario.store],
                        environment: environment)
                    try proxy.kill(restore.process, after: Int.random(in: 0..<60))
                    let run = try restore.wait()
                    if run.status == 128 + SIGKILL {
                        kills += 1
                        continue
                    }
                    #expect(run.status == 0, "\(run)")
                    break
                }
                try proxy.reset()
                let last = try bucket.restore("s3://\(target)", environment: environment)
                #expect(last.status == 0, "\(last)")
                #expect(try bucket.admin.listUploads(target).isEmpty)
                try bucket.expectFirst(in: target)
            }
            if Self.isSoak { print("restores: \(rounds), killed \(kills) times") }
        }
    }

    @Test(arguments: ["RGW", "moto"]) func aTenthOfAllRequestsMayFail(_ kind: String) throws {
        try LostBucket.use(kind, plain: 100) { bucket in
            try bucket.change()
            let (proxy, environment) = try proxied(bucket)
            try proxy.failSometimes(0.1)
            let other = "\(bucket.name)-other"
            try bucket.admin.createBucket(other, versioned: false)
            for target in [other, bucket.name] {
                let run = try bucket.restore("s3://\(target)", "--delete", environment: environment)
                #expect(run.status == 0, "\(run)")
                try bucket.expectFirst(in: target)
                #expect(try bucket.admin.listUploads(target).isEmpty)
            }
        }
    }

    @Test func stoppedItSaysHowToGoOnAndLeavesNoUpload() throws {
        try LostBucket.use("RGW", plain: 10) { bucket in
            let (proxy, environment) = try proxied(bucket)
            let other = "\(bucket.name)-other"
            try bucket.admin.createBucket(other, versioned: false)
            try proxy.fail("PUT", "partNumber=2", count: 1_000_000)
            let restore = try bucket.scenario.start(
                ["restore", "s3://\(other)", "--at", LostBucket.firstDay, "--store", bucket.scenario.store],
                environment: environment)
            let hasBegun = try Clock.wait(seconds: 60) { try proxy.log().contains { $0.contains("partNumber=2&") } }
            #expect(hasBegun)
            restore.kill(SIGINT)
            let began = MonotonicClock.milliseconds()
            let run = try restore.wait()
            #expect(run.status == 1 && run.stderr.contains("run the same command again"), "\(run)")
            #expect(MonotonicClock.milliseconds() - began < Patience.milliseconds(4000))
            #expect(try bucket.admin.listUploads(other).isEmpty)
            try proxy.reset()
            #expect(try bucket.restore("s3://\(other)", environment: environment).status == 0)
            try bucket.expectFirst(in: other)
        }
    }

    @Test func aDamagedBlobIsNamedAndNotSent() throws {
        try LostBucket.use("RGW", plain: 10) { bucket in
            let object = try #require(bucket.first.first { $0.key == "plain/3/3" })
            let blob = "\(bucket.scenario.store)/blobs/\(object.etag.prefix(2))/\(object.etag)-12"
            try Scenario.change(blob) { $0[0] ^= 1 }
            let other = "\(bucket.name)-other"
            try bucket.admin.createBucket(other, versioned: false)
            let run = try bucket.restore("s3://\(other)")
            #expect(
                run.status == 3 && run.stderr.contains("plain/3/3") && run.stderr.contains("verify --repair"), "\(run)")
            #expect(try !bucket.admin.describe(other).contains { $0.key == "plain/3/3" })
        }
    }
}
