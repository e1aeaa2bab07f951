import Basics
import Inventory
import InventoryGenerator
import Model
import Testing

@Suite("Made-up inventories")
struct GeneratorTests {
    private static func generate(
        _ directory: TemporaryDirectory, _ name: String, _ change: (inout InventoryGenerator) -> Void = { _ in }
    ) throws -> (InventoryGenerator.Output, InventoryManifest) {
        var generator = InventoryGenerator()
        generator.rows = 20000
        generator.compressionLevel = 1
        change(&generator)
        let output = try generator.write(to: "\(directory.path)/\(name)")
        let json = try Files.read("\(output.directory)/manifest.json", limit: 1 << 20)
        let checksum = try Files.read("\(output.directory)/manifest.checksum", limit: 100)
        try InventoryManifest.check(json: json, checksum: checksum, origin: name)
        return (output, try InventoryManifest(json: json, origin: name))
    }

    private static func read(
        _ made: (InventoryGenerator.Output, InventoryManifest), _ directory: TemporaryDirectory, sorting: Bool = false
    ) throws -> [PlainRow] {
        var options = SortedInventory.Options(temporaryDirectory: directory.path)
        options.sortExternally = sorting
        return try SortedInventory(manifest: made.1, files: made.0.lists, options: options).all().map { row in
            // Where a row stands is no part of what it says.
            var row = row
            row.file = 0
            row.line = 0
            return row
        }
    }

    @Test("Every layout has the same rows, and the same seed the same files")
    func layouts() throws {
        let directory = try TemporaryDirectory()
        let ranges = try Self.generate(directory, "ranges")
        let again = try Self.generate(directory, "again")
        let mixed = try Self.generate(directory, "mixed") { $0.layout = .interleaved }
        let shuffled = try Self.generate(directory, "shuffled") { $0.layout = .shuffled }
        let other = try Self.generate(directory, "other") { $0.seed = 2 }
        #expect(ranges.1.files == again.1.files)
        #expect(ranges.1.files != other.1.files)
        #expect(ranges.0.name == "2024-11-06T01-00Z")
        #expect(InventoryName.timestamp(ranges.0.name) == ranges.1.created)

        let rows = try Self.read(ranges, directory)
        #expect(rows.count == ranges.0.rows)
        #expect((19000...21000).contains(rows.count))
        let set = Set(rows)
        #expect(set.count == rows.count)
        #expect(try Set(Self.read(mixed, directory)) == set)
        #expect(throws: UnsortedInventory.self) { try Self.read(shuffled, directory) }
        #expect(try Set(Self.read(shuffled, directory, sorting: true)) == set)
    }

    @Test("Every key has one latest version, on every day, and days differ by what was asked for")
    func days() throws {
        let directory = try TemporaryDirectory()
        var before: Set<PlainRow> = []
        for day in [0, 1, 2] {
            let made = try Self.generate(directory, "day-\(day)") {
                $0.day = day
                $0.changePercent = 10
            }
            let rows = try Self.read(made, directory)
            let latest = rows.filter { $0.flags & InventoryRow.Flags.latest.rawValue != 0 }
            #expect(Set(latest.map(\.key)).count == latest.count)
            #expect(Set(rows.map(\.key)).count == latest.count)
            #expect(rows.contains { $0.flags & InventoryRow.Flags.marker.rawValue != 0 })
            if day > 0 {
                let fresh = latest.filter { !before.contains($0) }.count
                #expect((latest.count / 15...latest.count / 8).contains(fresh))
            }
            before = Set(latest)
        }
    }
}
