import Basics
import Inventory
import Testing

/// Nothing that can be made of an inventory by breaking it may crash: it is read, or refused with an error.
@Suite("Broken inventories")
struct FuzzTests {
    private static func mutate(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        let interesting: [UInt8] = [
            0, 10, 13, 32, 34, 37, 39, 43, 44, 45, 48, 57, 58, 91, 93, 123, 125, 0x7F, 0x80, 0xC3, 0xFF,
        ]
        for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            let end = min(bytes.count, place + Int.random(in: 1...30, using: &random))
            switch Int.random(in: 0..<7, using: &random) {
            case 0: bytes[place] = interesting.randomElement(using: &random) ?? 0
            case 1: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 2: bytes.insert(interesting.randomElement(using: &random) ?? 0, at: place)
            case 3: bytes.removeSubrange(place..<end)
            case 4: bytes.insert(contentsOf: bytes[place..<end], at: Int.random(in: 0...bytes.count, using: &random))
            case 5: bytes.removeLast(bytes.count - place)
            default:
                bytes.insert(contentsOf: repeatElement(57, count: Int.random(in: 1...40, using: &random)), at: place)
            }
        }
        return bytes
    }

    @Test("Broken manifests are read or refused")
    func manifests() {
        var random = SeededGenerator(1)
        var refused = 0
        for _ in 0..<4000 {
            let json = Self.mutate(Array(ManifestTests.good.utf8), &random)
            do {
                _ = try InventoryManifest(json: json, origin: "m")
            } catch {
                #expect(error is IcecoreError)
                refused += 1
            }
        }
        #expect(refused > 1000 && refused < 4000)
    }

    @Test("Broken rows are read or refused", arguments: Fixture.all("golden"))
    func rows(_ fixture: Fixture) throws {
        var random = SeededGenerator(2)
        let schema = try #require(fixture.header["schema"])
        // Several broken lists at once are one inventory; any of them may be the one that refuses.
        for round in 0..<300 {
            let lists = (0..<2).map { _ in gzip(Self.mutate(Array(fixture.content.utf8), &random), level: 1) }
            let inventory = try TestInventory(lists, schema: schema)
            do {
                _ = try inventory.read(sortExternally: round % 2 == 0, memoryLimit: 1 << 20, threads: 1)
            } catch {
                #expect(error is IcecoreError || error is UnsortedInventory)
            }
        }
    }

    @Test("Broken gzip is read or refused")
    func compressed() throws {
        var random = SeededGenerator(3)
        let whole = gzip((0..<200).map { ListFileTests.row("k\(1000 + $0)") }.joined())
        for round in 0..<1000 {
            let inventory = try TestInventory([Self.mutate(whole, &random)], schema: ListFileTests.schema)
            do {
                _ = try inventory.read(sortExternally: round % 2 == 0, memoryLimit: 1 << 20, threads: 1)
            } catch {
                #expect(error is IcecoreError || error is UnsortedInventory)
            }
        }
    }
}
