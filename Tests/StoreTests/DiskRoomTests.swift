import Basics
import Testing
@testable import Store

/// Whether contents fit on a disk.
@Suite struct DiskRoomTests {
    private static func need(_ sizes: [Int64], unit: Int64 = 4096) -> DiskNeed {
        var need = DiskNeed(unit: unit)
        for size in sizes { need.add(size: size) }
        return need
    }

    private static func room(bytes: Int64, files: Int64?) -> DiskRoom {
        DiskRoom("/srv/store", FreeSpace(bytes: bytes, files: files, unit: 4096))
    }

    @Test func everyFileTakesWholeBlocks() {
        let need = Self.need([0, 1, 4095, 4096, 4097])
        #expect(need.files == 5 && need.bytes == 12_289 && need.diskBytes == 4096 * 5)
        let exact = Self.need([0, 1, 4095, 4096, 4097], unit: 1)
        #expect(exact.diskBytes == exact.bytes)
        #expect(Self.need([7], unit: 0).diskBytes == 7)
    }

    @Test func hugeNumbersDoNotOverflow() {
        let need = Self.need([.max, .max, .max - 1])
        #expect(need.bytes == .max && need.diskBytes == .max)
        #expect(DiskNeed(atMost: .max, bytes: 5, unit: 4096).diskBytes == .max)
        #expect(Self.need([.max]).scaled(by: 1e9).bytes == .max)
    }

    @Test func theMostThatCanBeNeededIsNeverLessThanWhatIs() {
        for sizes in [[0], [1], [4096], [1, 1, 1], [4095, 4097, 12], []] as [[Int64]] {
            let need = Self.need(sizes)
            let most = DiskNeed(atMost: Int64(sizes.count), bytes: sizes.reduce(0, +), unit: 4096)
            #expect(most.files == need.files && most.bytes == need.bytes && most.diskBytes >= need.diskBytes)
        }
    }

    @Test func whatIsShortIsNamed() {
        let need = Self.need([10, 10, 10])
        #expect(Self.room(bytes: 12_288, files: 3).shortage(need, of: "the sync") == nil)
        #expect(Self.room(bytes: 12_288, files: nil).shortage(need, of: "the sync") == nil)
        #expect(
            Self.room(bytes: 29, files: 1).shortage(need, of: "the sync")
                == "30 bytes must be fetched, but '/srv/store' has only 29 bytes free")
        #expect(
            Self.room(bytes: 12_288, files: 2).shortage(need, of: "the sync")
                == "the sync needs 3 files, but '/srv/store' has only 2 inodes free")
        #expect(
            Self.room(bytes: 12_287, files: 3).shortage(need, of: "the sync")
                == "the sync needs 12288 bytes (3 files, in blocks of 4096 bytes), but '/srv/store' has only 12287 bytes free"
        )
        for room in [Self.room(bytes: 29, files: 1), Self.room(bytes: 12_288, files: 2)] {
            #expect(!room.holds(need))
        }
        #expect(Self.room(bytes: 12_288, files: 3).holds(need))
    }

    @Test func theRoomOfThisMachineIsPlausible() throws {
        let room = try DiskRoom("/proc")
        #expect(room.free.unit == 1, "nobody stores files there")
        #expect(throws: IcecoreError.self) { try DiskRoom("/not/there") }
        let free = try FreeSpace("/dev/shm")
        #expect(free.unit == 4096, "tmpfs gives every file whole pages")
    }
}
