import Basics
import Foundation
import Testbed
import Testing

/// Exports to targets that fail, and from stores that do.
@Suite struct ExportTroubleTests {
    private typealias Row = InventoryFolder.Row

    @Test func anExportGoesOnBehindABlobThatCannotBeRead() throws {
        try Scenario.withContents { scenario in
            let target = "\(scenario.directory)/target"
            let shown = scenario.rows.filter { $0.isLatest && !$0.isMarker }
            let (row, lost) = (try scenario.row("small/2/2"), try scenario.row("small/0/3"))
            let blob = String(scenario.blob(row).split(separator: "/").last ?? "")
            let kept = try Files.read(scenario.blob(lost), limit: 100)
            try Scenario.change(scenario.blob(lost)) { $0.removeLast() }
            for kind in ["copy", "auto"] {
                let run = try scenario.run(
                    "export", target, "--json", "--link", kind,
                    environment: FaultShim.environment(["FAULT_READ": blob]))
                #expect(run.status == 3 && run.complaints.count == 1, "\(run)")
                let reasons = try run.records.dropLast().reduce(into: [:]) {
                    $0[$1["key"] as? String ?? ""] = $1["missing"] as? String
                }
                #expect(reasons == [row.key: "unreadable", lost.key: "not here"], "\(run)")
                #expect(run.text.contains("Input/output error"), "\(run)")
                #expect(try exported(target).count == shown.count - 2)
                try FileManager.default.removeItem(atPath: target)
            }
            try Scenario.change(scenario.blob(lost)) { $0 = kept }
            try scenario.succeed("export", target)
            #expect(try exported(target).count == shown.count)
        }
    }

    @Test func aFileThatIsTooLargeForTheTargetIsLeftOut() throws {
        try Scenario.withContents { scenario in
            let run = try scenario.shell(
                "ulimit -f 4096; exec \"$ICECORE\" export target --store \"$STORE\" --json --link copy")
            #expect(try run.status == 3 && run.leftOut == ["parted": "too large"], "\(run)")
            let shown = scenario.rows.filter { $0.isLatest && !$0.isMarker }
            #expect(try exported("\(scenario.directory)/target").count == shown.count - 1)
        }
    }

    @Test func aTargetThatCannotBeWrittenToIsSaidOnce() throws {
        try Scenario.withContents { scenario in
            let target = "\(scenario.directory)/target"
            try scenario.succeed("export", target)
            let before = try StoreDigest.of(target)
            for prepare in ["", "rm -r \(target)/small \(target)/.icecore-export-list;"] {
                let run = try scenario.shell(
                    """
                    \(prepare)
                    exec unshare -m sh -c 'mount --bind \(target) \(target) && mount -o remount,ro,bind \(target) && \
                    exec "$ICECORE" export \(target) --store "$STORE" --delete'
                    """)
                #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
                #expect(run.stderr.contains("Read-only file system"), "\(run)")
            }
            try scenario.succeed("export", target)
            let after = try StoreDigest.of(target)
            #expect(Set(after.keys) == Set(before.keys))
        }
    }

    @Test func aTargetThatVanishesIsSaidOnce() throws {
        try Scenario.withBucket { scenario in
            let rows = (0..<3000).map { Row("d\($0 % 5)/k\($0)", bytes("content \($0 % 9)")) }
            try scenario.add("2024-03-02T01-00Z", rows)
            try scenario.succeed("sync")
            try OddDisk.ntfs.use(scenario) { point in
                let target = "\(point)/target"
                let program = try scenario.start(["export", target, "--store", scenario.store])
                let isWriting = Clock.wait(seconds: 30) { Files.exists("\(target)/d1") }
                try #require(isWriting)
                // Which it cannot be as long as it is in use, but its driver is cut off.
                _ = try scenario.shell("/bin/umount -f \(point)")
                let run = try program.wait()
                #expect(run.status == 1 && run.complaints.count == 1, "\(run)")
            }
        }
    }

    @Test func twoExportsToOneTargetAreKeptApart() throws {
        try Scenario.withContents { scenario in
            let target = "\(scenario.directory)/target"
            try scenario.succeed("export", target)
            let held = try scenario.shell(
                "exec flock \(target)/.icecore-export \"$ICECORE\" export \(target) --store \"$STORE\"")
            #expect(held.status == 1 && held.stderr.contains("another export"), "\(held)")
            try Files.remove("\(target)/.icecore-export")
            try scenario.succeed("export", target)
        }
    }
}
