import Basics
import Foundation
import Testbed
import Testing

/// Targets that take different names for the same, or cannot have all names: real file systems.
@Suite(.serialized) struct ExportNamesTests {
    private typealias Row = InventoryFolder.Row

    private static let names = ["2024-03-02T01-00Z", "2024-03-03T01-00Z", "2024-03-04T01-00Z"]

    private static func row(_ key: String, _ content: String) -> Row {
        Row(key, bytes(content))
    }

    /// Runs a test with a store of as many snapshots as there are lists of rows.
    private static func use(_ snapshots: [[Row]], _ body: (Scenario) throws -> Void) throws {
        try Scenario.withSnapshots(names, snapshots, body)
    }

    @Test(arguments: [OddDisk.ntfs, .fat, .exfat]) func ofTwoNamesThatAreOneTheFirstIsWritten(_ disk: OddDisk) throws {
        let rows = [
            "A.txt": "upper", "a.txt": "lower case", "A/x": "in upper", "a/y": "in lower", "a/z": "also there",
            "B": "a file", "b/c": "below the same", "d/E/f": "deep", "d/e": "a file too", "other": "other",
        ]
        try Self.use([rows.map { Self.row($0.key, $0.value) }]) { scenario in
            try disk.use(scenario) { point in
                let target = "\(point)/target"
                let expected = [
                    "A.txt": "upper", "A/x": "in upper", "B": "a file", "d/E/f": "deep", "other": "other",
                ]
                for round in 0..<4 {
                    // Without what an earlier one has written down, in the last.
                    if round == 3 { try Files.remove("\(target)/.icecore-export-list") }
                    let run = try scenario.run("export", target, "--json")
                    #expect(run.status == 3, "\(run)")
                    #expect(
                        try run.leftOut
                            == ["a.txt", "a/y", "a/z", "b/c", "d/e"].reduce(into: [:]) {
                                $0[$1] = "same name"
                            }, "\(round): \(run)")
                    #expect(try run.count("files") == 5 && run.count("leftOut") == 5, "\(run)")
                    if (1...2).contains(round) { #expect(try run.count("skipped") == 5, "\(run)") }
                    for (path, content) in expected {
                        let seen = try Files.read("\(target)/\(path)", limit: 100)
                        #expect(seen == bytes(content), "\(round): \(path)")
                    }
                    #expect(try exported(target).count == 5)
                    #expect(try Files.names(in: "\(target)/A") == ["x"])
                    let text = try scenario.run("export", target)
                    #expect(text.status == 3 && text.stderr.contains("a.txt") && text.complaints.count == 6, "\(text)")
                }
                let rehearsal = try scenario.run("export", target, "--dry-run", "--json")
                #expect(try rehearsal.leftOut.keys.sorted() == ["a.txt", "a/y", "a/z", "b/c", "d/e"], "\(rehearsal)")
                // Elsewhere, all of them have their names.
                let run = try scenario.succeed("export", "\(scenario.directory)/elsewhere", "--json")
                #expect(try run.count("files") == 10)
            }
        }
    }

    @Test func ofTwoNamesThatAreOneOnceNormalisedTheFirstIsWritten() throws {
        let (composed, decomposed) = ("\u{e4}", "a\u{308}")
        // In the order of keys, what is decomposed is first.
        let rows = [
            Self.row("\(composed).txt", "composed"), Self.row("\(decomposed).txt", "decomposed"),
            Self.row("\(composed)/x", "in composed"), Self.row("\(decomposed)/y", "in decomposed"),
            Self.row("\(composed) alone", "alone"),
        ]
        try Self.use([rows, rows.suffix(1) + rows.prefix(1)]) { scenario in
            try OddDisk.zfs.use(scenario) { point in
                let target = "\(point)/target"
                for round in 0..<3 {
                    let run = try scenario.run("export", target, "--at", Self.names[0], "--json")
                    #expect(run.status == 3, "\(run)")
                    #expect(
                        try run.leftOut.mapKeys { Array($0.utf8) } == [
                            bytes("\(composed).txt"): "same name", bytes("\(composed)/x"): "same name",
                        ], "\(round): \(run)")
                    #expect(try Files.read("\(target)/\(decomposed).txt", limit: 100) == bytes("decomposed"))
                    #expect(try Files.read("\(target)/\(decomposed)/y", limit: 100) == bytes("in decomposed"))
                    #expect(try Files.read("\(target)/\(composed) alone", limit: 100) == bytes("alone"))
                    #expect(try exported(target).count == 3)
                    if round > 0 { #expect(try run.count("skipped") == 3, "\(run)") }
                }
                try scenario.succeed("export", target, "--at", Self.names[1], "--delete")
                #expect(try Files.names(in: target).sorted().map { Array($0.utf8) }.contains(bytes("\(composed).txt")))
                #expect(try Files.read("\(target)/\(composed).txt", limit: 100) == bytes("composed"))
            }
        }
    }

    @Test(arguments: [OddDisk.ntfs, .exfat]) func whatComesAndGoesNeverStandsUnderAnotherName(_ disk: OddDisk) throws {
        let (upper, lower) = (Self.row("N.txt", "upper"), Self.row("n.txt", "lower case"))
        let (inUpper, inLower) = (Self.row("D/x", "in upper"), Self.row("d/y", "in lower"))
        let snapshots = [[lower, inLower], [upper, lower, inUpper, inLower], [lower, inLower]]
        try Self.use(snapshots) { scenario in
            try disk.use(scenario) { point in
                for isDeleting in [false, true] {
                    let target = "\(point)/target\(isDeleting)"
                    let more = isDeleting ? ["--delete"] : []
                    func export(_ day: Int) throws -> Run {
                        try scenario.run(
                            ["export", target, "--store", scenario.store, "--at", Self.names[day], "--json"] + more)
                    }
                    #expect(try export(0).status == 0)
                    for _ in 0..<2 {
                        let run = try export(1)
                        // The first of the two takes the name over; its directory cannot, as long as there is another.
                        #expect(run.status == 3, "\(run)")
                        #expect(try run.leftOut == ["n.txt": "same name", "D/x": "same name"], "\(run)")
                        #expect(try Files.read("\(target)/N.txt", limit: 100) == bytes("upper"))
                        #expect(try Files.read("\(target)/d/y", limit: 100) == bytes("in lower"))
                        #expect(try exported(target).count == 2)
                    }
                    var run = try export(2)
                    // The kernel may remember for a second what a driver has told it of a name that has gone.
                    if isDeleting, run.status == 3 {
                        sleep(2)
                        run = try export(2)
                    }
                    let content = try Files.read("\(target)/n.txt", limit: 100)
                    if isDeleting {
                        #expect(run.status == 0, "\(run)")
                        #expect(content == bytes("lower case"))
                    } else {
                        // An earlier export's file stays, and is nobody else's.
                        #expect(try run.status == 3 && run.leftOut == ["n.txt": "same name"], "\(run)")
                        #expect(content == bytes("upper"))
                    }
                }
            }
        }
    }

    @Test func aKilledExportMixesNoNames() throws {
        let rows = (0..<60).flatMap { number in
            [
                Self.row("M\(number % 3)/F\(number)", "upper \(number)"),
                Self.row("M\(number % 3)/f\(number)", "lower \(number)"),
            ]
        }
        try Self.use([rows.filter { $0.key.contains("/f") }, rows]) { scenario in
            try OddDisk.ntfs.use(scenario) { point in
                for round in 0..<4 {
                    let target = "\(point)/target\(round)"
                    if round % 2 == 1 { try scenario.succeed("export", target, "--at", Self.names[0]) }
                    let words = ["export", target, "--store", scenario.store]
                    let program = try scenario.start(words)
                    usleep(UInt32(60_000 * round + 60_000))
                    program.kill(SIGKILL)
                    _ = try program.wait()
                    for _ in 0..<2 {
                        let run = try scenario.run("export", target, "--json")
                        #expect(try run.status == 3 && run.leftOut.count == 60, "\(run)")
                        for number in 0..<60 {
                            let content = try Files.read("\(target)/M\(number % 3)/F\(number)", limit: 100)
                            #expect(content == bytes("upper \(number)"))
                        }
                        #expect(try exported(target).count == 60)
                    }
                }
            }
        }
    }

    @Test(arguments: [OddDisk.ntfs, .fat, .exfat]) func aKeyThatTheTargetCannotSpellIsLeftOut(_ disk: OddDisk) throws {
        let bad: [String]
        switch disk {
        case .ntfs: bad = ["b:c", "CON", "trailing ", "dot.", "q?", "control\u{1}", "d:/x/y", "e*"]
        case .exfat: bad = ["b:c", "q?", "control\u{1}", "d:/x/y", "e*"]
        default: bad = ["b:c", "q?", "control\u{1}", "d:/x/y", "\u{e4}", String(repeating: "\u{e4}", count: 127)]
        }
        let good = ["a", "d/e", "z"]
        try Self.use([(bad + good).map { Self.row($0, "of \($0)") }]) { scenario in
            try disk.use(scenario) { point in
                let target = "\(point)/target"
                for _ in 0..<2 {
                    let run = try scenario.run("export", target, "--json")
                    #expect(run.status == 3, "\(run)")
                    #expect(try run.leftOut == bad.reduce(into: [:]) { $0[$1] = "name" }, "\(run)")
                    let expected = good.reduce(into: [:]) { $0[$1] = "of \($1)" }
                    #expect(try exported(target) == expected)
                }
                #expect(try scenario.run("export", target, "--json").count("skipped") == 3)
            }
        }
    }

    @Test func ofManyThatAreLeftOutTextNamesAFew() throws {
        try Self.use([(0..<40).map { Self.row("many:\($0)", "content") }]) { scenario in
            try OddDisk.ntfs.use(scenario) { point in
                let run = try scenario.run("export", "\(point)/target")
                #expect(run.status == 3 && run.complaints.count == 12, "\(run)")
                #expect(run.stderr.contains("30 more") && run.stderr.contains("40 files were not written"), "\(run)")
            }
        }
    }

    @Test func timesThatTheTargetCannotKeepAreNoReasonToCopyAgain() throws {
        let times = [
            "2024-03-01T00:00:01.000Z", "2024-03-01T00:00:02.000Z", "2024-03-01T00:00:03.789Z",
            "2023-12-31T23:59:59.999Z", "1975-05-05T05:05:05.000Z",
        ]
        let rows = times.enumerated().map { Row("key\($0.offset)", bytes("content \($0.offset)"), at: $0.element) }
        try Self.use([rows]) { scenario in
            for disk in [OddDisk.fat, .exfat, .ntfs] {
                try disk.use(scenario) { point in
                    let target = "\(point)/target"
                    try scenario.succeed("export", target)
                    let again = try scenario.succeed("export", target, "--json")
                    #expect(try again.count("skipped") == 5 && again.count("copied") == 0, "\(disk): \(again)")
                    // As after an interrupted one, which does not know how the target keeps times.
                    let list = "\(target)/.icecore-export-list"
                    let lines = String(decoding: try Files.read(list, limit: 1 << 20), as: UTF8.self)
                        .split(separator: "\n").map { line -> String in
                            var words = line.split(separator: " ").map(String.init)
                            guard words[0] == "F", let wanted = Int(words[3]) else { return String(line) }
                            let (seconds, rest) = wanted.quotientAndRemainder(dividingBy: 1000)
                            (words[1], words[4], words[5]) = ("?", "\(seconds)", "\(rest * 1_000_000)")
                            return words.joined(separator: " ")
                        }
                    try Files.remove(list)
                    try Files.replace(list, with: bytes(lines.map { "\($0)\n" }.joined()))
                    let resumed = try scenario.succeed("export", target, "--json")
                    // FAT has no year 1975.
                    #expect(try resumed.count("skipped") == (disk == .fat ? 4 : 5), "\(disk): \(resumed)")
                    for row in rows { #expect(try Files.read("\(target)/\(row.key)", limit: 100) == row.content) }
                }
            }
        }
    }
}

extension Dictionary {
    fileprivate func mapKeys<Other: Hashable>(_ change: (Key) -> Other) -> [Other: Value] {
        reduce(into: [:]) { $0[change($1.key)] = $1.value }
    }
}
