import Basics
import Foundation
import Testbed
import Testing

/// A mount of `latest` while sixteen processes read it and one snapshot after another is synced.
@Suite struct BusyLatestTests {
    typealias Row = InventoryFolder.Row

    private static let seconds = ProcessInfo.processInfo.environment["ICECORE_SOAK"] == nil ? 10 : 60

    /// Nobody sees anything that is older than this many seconds.
    private static let lateness = Int(Patience.seconds(2)) < 15 ? 2 : 6

    private static func name(_ day: Int) -> String {
        let time = Timestamp(milliseconds: 1_704_067_200_000 + Int64(day) * 86_400_000)
        return "\(time.rfc3339.prefix(10))T01-00Z"
    }

    /// What the bucket holds on a day: contents that say the day in every line, in sizes of one READ and of many.
    private static func rows(_ day: Int) -> [Row] {
        var rows = (0..<12).map { file in
            let line = "day \(day) file \(file)\n"
            let lines = file % 4 == 0 ? 20_000 : 100
            return Row("dir\(file % 3)/file\(file)", bytes(String(repeating: line, count: lines)))
        }
        rows.append(Row("only/day\(day)", bytes("day \(day)\n")))
        return rows
    }

    /// Reads and lists until it is told to stop. `state` holds a line for each day that was committed: the day, and the
    /// time at which that was known; then `stop`.
    private static let reader = """
        import os, random, sys, time
        mount, state, seed, lateness = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
        random.seed(seed)
        rounds = 0
        while True:
            now = time.time()
            lines = open(state).read().split("\\n")
            if lines[-1] == "stop":
                break
            # The newest day that everybody must have seen by now.
            commits = [line.split() for line in lines]
            oldest = max([int(day) for day, since in commits if now - float(since) > lateness], default=0)
            # Names: none of a day that is gone, and the present day's.
            days = [int(name[3:]) for name in os.listdir(mount + "/only")]
            assert all(seen >= oldest for seen in days), (days, oldest, now, commits[-4:])
            for gone in range(max(0, oldest - 3), oldest):
                assert not os.path.lexists("%s/only/day%d" % (mount, gone)), (gone, oldest, now, commits[-4:])
            file = random.randrange(12)
            with open("%s/dir%d/file%d" % (mount, file % 3, file), "rb", buffering=0) as opened:
                size = os.fstat(opened.fileno()).st_size
                pieces = []
                while True:
                    piece = opened.read(random.choice([5000, 1 << 17]))
                    if not piece:
                        break
                    pieces.append(piece)
                    if random.random() < 0.02:
                        time.sleep(0.3)
            content = b"".join(pieces)
            found = set(content.splitlines())
            assert len(content) == size and len(found) == 1, (file, len(content), size, len(found))
            seen = int(found.pop().split()[1])
            assert seen >= oldest, ("stale", seen, oldest, now, commits[-4:])
            rounds += 1
        print(rounds)
        """

    @Test func readersSeeWholeFilesAndNothingOldWhileSnapshotsAreSynced() throws {
        try Scenario.withBucket { scenario in
            let state = "\(scenario.directory)/state"
            var commits: [String] = []
            func commit(_ day: Int) throws {
                try scenario.add(BusyLatestTests.name(day), BusyLatestTests.rows(day))
                try scenario.succeed("sync", "--date", BusyLatestTests.name(day))
                let time = Double(Timestamp.now().milliseconds) / 1000
                commits.append("\(day) \(time)")
                try Files.replace(state, with: bytes(commits.joined(separator: "\n")))
            }
            try commit(1)
            let mount = try scenario.mount()
            try Files.replace("\(scenario.directory)/reader.py", with: bytes(BusyLatestTests.reader))
            let readers = try (0..<16).map { seed in
                try RunningProgram(
                    "/usr/bin/python3",
                    ["reader.py", mount, state, "\(seed)", "\(BusyLatestTests.lateness)"].map { Array($0.utf8) },
                    environment: ["PATH": "/usr/bin:/bin"], currentDirectory: scenario.directory,
                    outputs: "\(scenario.directory)/outputs")
            }
            let end = Timestamp.now().milliseconds + Int64(BusyLatestTests.seconds * 1000)
            var day = 1
            while Timestamp.now().milliseconds < end, !readers.contains(where: \.hasEnded) {
                day += 1
                try commit(day)
                // Some states live longer than that, so that what is old must be gone.
                if day % 3 == 0 { sleep(UInt32(BusyLatestTests.lateness + 1)) }
            }
            #expect(day > 3)
            try Files.replace(state, with: bytes("stop"))
            for reader in readers {
                // One that hangs is killed: status 124.
                let run = try reader.wait(seconds: 60)
                #expect(run.status == 0 && (Int(run.text.dropLast()) ?? 0) > 0, "\(run)")
            }
            #expect(try scenario.succeed("status").status == 0)
        }
    }
}
