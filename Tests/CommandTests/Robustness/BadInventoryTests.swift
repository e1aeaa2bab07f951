import Basics
import Foundation
import Testbed
import Testing

/// Inventories that are wrong in one way each: one clear sentence, exit status 1, and the store as it was.
@Suite struct BadInventoryTests {
    /// A way to be wrong, and what the sentence must say.
    struct Fault: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var says: [String]
        var write: @Sendable (InventoryFolder, [InventoryFolder.Row]) throws -> Void

        init(
            _ description: String, says: String...,
            write: @escaping @Sendable (InventoryFolder, [InventoryFolder.Row]) throws -> Void
        ) {
            testDescription = description
            self.says = says
            self.write = write
        }

        /// One row more.
        init(_ description: String, row: InventoryFolder.Row, says: String...) {
            testDescription = description
            self.says = says
            write = { folder, rows in try folder.write(newest, rows + [row]) }
        }
    }

    static let newest = "2024-03-03T01-00Z"
    static let rows = (0..<20).map { InventoryFolder.Row("key \($0)", Array("content \($0)".utf8)) }
    private static let row = InventoryFolder.Row("later one", [1, 2, 3])

    static let faults: [Fault] =
        [
            Fault("wrong manifest checksum", says: "manifest", "checksum") { folder, rows in
                try folder.write(
                    newest, rows,
                    afterwards: { _, manifest in
                        try Files.replace(
                            manifest.replacing(".json", with: ".checksum"), with: Array(repeating: 97, count: 32))
                    })
            },
            Fault("manifest changed after its checksum", says: "manifest", "checksum") { folder, rows in
                try folder.write(
                    newest, rows,
                    afterwards: { _, manifest in
                        try Files.replace(manifest, with: try Files.read(manifest, limit: 1 << 20) + [32])
                    })
            },
            Fault("manifest that is no JSON", says: "manifest.json") { folder, rows in
                try folder.write(newest, rows, spoilManifest: { $0.removeLast(20) })
            },
            Fault("manifest without files", says: "manifest.json", "files") { folder, rows in
                try folder.write(newest, rows, spoilManifest: { $0 = $0.replacing("\"files\"", with: "\"fils\"") })
            },
            Fault("manifest without a time", says: "manifest.json", "creationTimestamp") { folder, rows in
                try folder.write(newest, rows, spoilManifest: { $0 = $0.replacing("\"17", with: "\"x17") })
            },
            Fault("ORC", says: "ORC", "fetch it again") { folder, rows in
                try folder.write(newest, rows, spoilManifest: { $0 = $0.replacing("\"CSV\"", with: "\"ORC\"") })
            },
            Fault("Parquet", says: "Parquet", "fetch it again") { folder, rows in
                try folder.write(newest, rows, spoilManifest: { $0 = $0.replacing("\"CSV\"", with: "\"Parquet\"") })
            },
            Fault("inventory of another bucket", says: "another-bucket", "bucket") { folder, rows in
                try folder.write(
                    newest, rows,
                    spoilManifest: {
                        $0 = $0.replacing("\"sourceBucket\": \"bucket\"", with: "\"sourceBucket\": \"another-bucket\"")
                    })
            },
            Fault("rows of another bucket", says: "another-bucket", "line 1") { folder, rows in
                try folder.write(
                    newest, rows, spoilText: { $0 = $0.replacing("\"bucket\",", with: "\"another-bucket\",") })
            },
            Fault("list file with a wrong MD5", says: "\(newest)-0.csv.gz", "MD5") { folder, rows in
                try folder.write(
                    newest, rows,
                    afterwards: { list, _ in
                        var content = try Files.read(list, limit: 1 << 20)
                        content[content.count / 2] ^= 1
                        try Files.replace(list, with: content)
                    })
            },
            Fault("list file that is too short", says: "\(newest)-0.csv.gz") { folder, rows in
                try folder.write(
                    newest, rows,
                    afterwards: { list, _ in
                        try Files.replace(list, with: Array(try Files.read(list, limit: 1 << 20).dropLast(5)))
                    })
            },
            Fault("truncated gzip", says: "\(newest)-0.csv.gz", "gzip") { folder, rows in
                try folder.write(newest, rows, spoilFile: { $0.removeLast(30) })
            },
            Fault("gzip with a wrong checksum", says: "\(newest)-0.csv.gz") { folder, rows in
                try folder.write(newest, rows, spoilFile: { $0[$0.count - 6] ^= 1 })
            },
            Fault("no gzip at all", says: "\(newest)-0.csv.gz", "gzip") { folder, rows in
                try folder.write(newest, rows, spoilFile: { $0 = Array("Bucket,Key".utf8) })
            },
            Fault("the same list file twice", says: "\(newest)-0.csv.gz", "twice") { folder, rows in
                try folder.write(
                    newest, rows,
                    spoilManifest: { text in
                        guard let start = text.range(of: "\"files\": [") else { return }
                        let entry = text[start.upperBound...].dropLast(2)
                        text.insert(contentsOf: entry + ", ", at: start.upperBound)
                    })
            },
            Fault("row with too few fields", says: "\(newest)-0.csv.gz", "line 21", "fields") { folder, rows in
                try folder.write(newest, rows, spoilText: { $0 += "\"bucket\",\"x\"\n" })
            },
            Fault("row with too many fields", says: "\(newest)-0.csv.gz", "line 21", "fields") { folder, rows in
                try folder.write(
                    newest, rows, spoilText: { $0 += "\"bucket\"" + String(repeating: ",\"x\"", count: 40) + "\n" })
            },
            Fault("row whose quotes do not end", says: "\(newest)-0.csv.gz", "line 21") { folder, rows in
                try folder.write(newest, rows, spoilText: { $0 += "\"bucket\",\"x\n" })
            },
            Fault(
                "bad date", row: row.with { $0.lastModified = "yesterday" }, says: "\(newest)-0.csv.gz", "line 21",
                "date"),
            Fault(
                "date that never was", row: row.with { $0.lastModified = "2024-02-30T00:00:00.000Z" },
                says: "\(newest)-0.csv.gz", "line 21", "2024-02-30"),
            Fault(
                "unreadable size", row: row.with { $0.size = "12x" }, says: "\(newest)-0.csv.gz", "line 21", "ize",
                "12x"),
            Fault("negative size", row: row.with { $0.size = "-1" }, says: "\(newest)-0.csv.gz", "line 21", "-1"),
            Fault(
                "size beyond all numbers", row: row.with { $0.size = "99999999999999999999" }, says: "line 21", "ize"),
            Fault("object without a size", row: row.with { $0.size = "" }, says: "line 21", "ize"),
            Fault(
                "two latest rows of one key", row: InventoryFolder.Row("key 3", [9], at: "2024-03-02T00:00:00.000Z"),
                says: "key 3", "latest"),
            Fault("key that is not UTF-8", says: "\(newest)-0.csv.gz", "line 21", "UTF-8") { folder, rows in
                try folder.write(
                    newest, rows + [InventoryFolder.Row("later KEY", [1])],
                    spoilText: { $0 = $0.replacing("KEY", with: "a%FFb") })
            },
            Fault("key with half an escape", says: "\(newest)-0.csv.gz", "line 21", "%") { folder, rows in
                try folder.write(
                    newest, rows + [InventoryFolder.Row("later KEY", [1])],
                    spoilText: { $0 = $0.replacing("KEY", with: "a%4") })
            },
            Fault("empty key", row: row.with { $0.key = "" }, says: "\(newest)-0.csv.gz", "line 1:", "key"),
            Fault(
                "more bytes than there is room for", row: row.with { $0.size = "\(1 << 60)" }, says: "free", "--filter"),
            Fault(
                "more bytes than a number holds",
                says: "free", "--filter",
                write: { folder, rows in
                    let huge = (0..<20).map { number in
                        row.with {
                            $0.key = "huge \(number)"
                            $0.etag = Hex.encode(MD5.digest([UInt8(number)]))
                            $0.size = "\(Int64.max - 5)"
                        }
                    }
                    try folder.write(newest, rows + huge)
                }),
        ]
        + ["Bucket", "Key", "Size", "LastModifiedDate", "ETag"].map { column in
            Fault("missing column \(column)", says: column, "fileSchema") { folder, rows in
                try folder.write(newest, rows, columns: InventoryFolder.columns.filter { $0 != column })
            }
        }

    @Test(arguments: faults)
    func oneSentenceAndNothingChanges(fault: Fault) throws {
        let server = try FaultServer()
        try Scenario.use(server) { scenario in
            let folder = try InventoryFolder("\(scenario.directory)/inventories", bucket: "bucket")
            try folder.write("2024-03-02T01-00Z", Array(Self.rows.prefix(10)))
            try server.add("bucket", Self.rows)
            try scenario.initialize("bucket", inventory: folder.url)
            try scenario.succeed("sync")
            let before = try StoreDigest.of(scenario.store)
            let listing = try scenario.succeed("ls", "-R", "--json").text

            try fault.write(folder, Self.rows)
            let run = try scenario.run("sync")
            #expect(run.status == 1, "\(run)")
            #expect(run.stdout.isEmpty, "\(run)")
            #expect(run.complaints.count == 1 && run.stderr.hasPrefix("icecore: "), "\(run)")
            for word in fault.says {
                #expect(run.stderr.contains(word), "the sentence should say '\(word)': \(run.stderr)")
            }
            StoreDigest.expectSame(try StoreDigest.of(scenario.store), before)
            #expect(try scenario.succeed("ls", "-R", "--json").text == listing)

            // And it is no trap: with the inventory repaired, the sync goes on.
            try FileManager.default.removeItem(atPath: "\(folder.path)/\(Self.newest)")
            try folder.write(Self.newest, Self.rows)
            try scenario.succeed("sync")
            #expect(try scenario.succeed("ls", "-R").text.split(separator: "\n").count == Self.rows.count)
        }
    }
}
