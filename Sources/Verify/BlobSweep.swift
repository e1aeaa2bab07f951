import Basics
import Blobs
import Foundation
import Glibc
import Model
import Packs
import Store
import Synchronization

/// Checks every blob and every pack, on all cores. Findings and progress reach the owner through a channel.
final class BlobSweep: Sendable {
    enum Event: Sendable {
        /// A file, or a directory (`name` is empty), that is not as it should be.
        case finding(name: String, fan: String, FileCondition)
        case foreign(path: String, reason: String)
        /// A unit has been checked; `isSound`: all of it, and everything was sound.
        case done(unit: Int, began: Timestamp, isSound: Bool)
        /// A pack has been checked, or was passed over; nil: it still counts as sound.
        case pack(Int, began: Timestamp, PackReport?)
        /// Time to report progress.
        case tick
        case failed(any Error)
    }

    let events = Channel<Event>(limit: 1024)
    private let store: Store
    private let sample: Double?
    /// When each unit was verified, if that still counts.
    private let verified: [Timestamp?]
    private let throttle: Throttle?
    private let packs: [PackTarget]
    private let catalogue: PackCatalogue?
    /// When each pack was verified, if that still counts.
    private let verifiedPacks: [PackName: Timestamp]
    private let nextUnit = Atomic<Int>(0)
    private let running: Atomic<Int>
    private let isStopped = Atomic<Bool>(false)
    private let blobCount = Atomic<Int64>(0)
    private let byteCount = Atomic<Int64>(0)
    private let width: Int

    init(
        _ store: Store, _ packs: CatalogueCheck, verified: [Timestamp?], verifiedPacks: [PackName: Timestamp],
        sample: Double?, throttle: Throttle?
    ) {
        self.store = store
        self.packs = packs.targets
        catalogue = packs.catalogue
        self.verified = verified
        self.verifiedPacks = verifiedPacks
        self.sample = sample
        self.throttle = throttle
        // Each thread has two files open and a reader of the index, which has three.
        let affordable = (limitOfOpenFiles() - 24) / 6
        width = max(1, min(ProcessInfo.processInfo.activeProcessorCount, affordable, 64))
        running = Atomic(width)
    }

    var blobs: Int64 { blobCount.load(ordering: .relaxed) }
    var bytes: Int64 { byteCount.load(ordering: .relaxed) }

    func start() {
        for _ in 0..<width {
            do {
                try SystemThread.detach("blob-reader") { [self] in
                    do {
                        try work()
                    } catch {
                        events.send(.failed(error))
                    }
                    endThread()
                }
            } catch {
                events.send(.failed(error))
                endThread()
            }
        }
    }

    private func endThread() {
        if running.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { events.close() }
    }

    /// Asks the threads to end soon.
    func requestStop() {
        isStopped.store(true, ordering: .relaxed)
    }

    /// Asks the threads to end soon, and waits until they have.
    func stop() {
        requestStop()
        while events.receive() != nil {}
    }

    private func work() throws {
        // Without an index the usual part sizes have to do.
        let reader = try? store.reader()
        var unread = 0
        let parts: (ETag, Int64) -> PartLayout? = { etag, size in
            try? reader?.blobFacts(etag: etag, size: size).parts
        }
        let read: (Int) throws -> Void = { [self] count in
            try pause()
            byteCount.add(Int64(count), ordering: .relaxed)
            try throttle?.pass(count)
            unread += count
            if unread > 64 << 20 {
                unread = 0
                events.send(.tick)
            }
        }
        let check = BlobCheck(parts: parts, read: read)
        let packCheck = PackCheck(store, catalogue, sample: sample, parts: parts, read: read) { [self] in
            if blobCount.add(1, ordering: .relaxed).newValue & 0x3FFF == 0 { events.send(.tick) }
        }
        while true {
            try pause()
            let unit = nextUnit.add(1, ordering: .relaxed).oldValue
            let began = Timestamp.now()
            guard unit < VerifyState.unitCount else {
                let place = unit - VerifyState.unitCount
                guard place < packs.count else { return }
                let report = isUnchanged(packs[place]) ? nil : try packCheck.check(packs[place])
                events.send(.pack(place, began: began, report))
                continue
            }
            let isSound = try look(unit, check)
            events.send(.done(unit: unit, began: began, isSound: isSound))
        }
    }

    private func pause() throws {
        try Interruption.check()
        if isStopped.load(ordering: .relaxed) { throw IcecoreError(.interrupted, "interrupted") }
    }

    /// Whether a pack was verified, and is the file that it was.
    private func isUnchanged(_ pack: PackTarget) -> Bool {
        guard pack.number != nil, let since = verifiedPacks[pack.name] else { return false }
        var status = stat()
        guard lstat(store.packs.folder.path(of: pack.name), &status) == 0 else { return false }
        return Int64(status.st_ctim.tv_sec) * 1000 + Int64(status.st_ctim.tv_nsec) / 1_000_000 < since.milliseconds
    }

    // MARK: - A unit

    private struct Place {
        var inode: UInt64
        var name: String
        var blob: BlobName
    }

    /// Checks the blobs whose names begin with the three digits of a unit. Returns false if something was found.
    private func look(_ unit: Int, _ check: BlobCheck) throws -> Bool {
        let fan = Hex.encode([UInt8(unit >> 4)])
        let directory = open(
            "\(store.blobs.path)/\(fan)", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        if directory < 0 {
            let number = errno
            switch try BlobCheck.condition(number, "\(store.blobs.path)/\(fan)") {
            case .vanished: return true
            case let condition:
                if unit & 15 == 0 {
                    events.send(
                        .finding(
                            name: "", fan: fan,
                            number == ELOOP || number == ENOTDIR
                                ? .damaged("is not a directory of this store: nothing in it is checked") : condition))
                }
                return false
            }
        }
        guard let stream = fdopendir(directory) else {
            let number = errno
            close(directory)
            throw IcecoreError.system("cannot list", "\(store.blobs.path)/\(fan)", errno: number)
        }
        defer { closedir(stream) }
        var isSound = true
        // Sorted by inode, which is roughly the order on the disk.
        let (listed, number) = list(stream, unit, fan)
        if number != 0 {
            // What was not listed has not been checked.
            isSound = false
            let condition = try BlobCheck.condition(number, "\(store.blobs.path)/\(fan)")
            if unit & 15 == 0 { events.send(.finding(name: "", fan: fan, condition)) }
        }
        let places = listed.sorted { $0.inode < $1.inode }
        var status = stat()
        for place in places {
            try pause()
            if let since = verified[unit] {
                guard fstatat(directory, place.name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
                let changed = Int64(status.st_ctim.tv_sec) * 1000 + Int64(status.st_ctim.tv_nsec) / 1_000_000
                if changed < since.milliseconds { continue }
            }
            if let sample, Double.random(in: 0..<1) >= sample { continue }
            let condition = try check.check(place.name, place.blob, in: directory, status: &status)
            if blobCount.add(1, ordering: .relaxed).newValue & 0x3FF == 0 { events.send(.tick) }
            guard condition != .sound, condition != .vanished else { continue }
            isSound = false
            events.send(.finding(name: place.name, fan: fan, condition))
        }
        return isSound
    }

    /// The blobs of a unit in a directory, and the errno that ended the list early; 0: the list is complete.
    private func list(_ stream: OpaquePointer, _ unit: Int, _ fan: String) -> ([Place], error: Int32) {
        var places: [Place] = []
        let digit = UInt8(ascii: unit & 15 < 10 ? "0" : "a") + UInt8(unit & 15 < 10 ? unit & 15 : (unit & 15) - 10)
        while true {
            errno = 0
            guard let entry = readdir(stream) else { return (places, errno) }
            let inode = UInt64(entry.pointee.d_ino)
            let name: String? = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                // Look at the third digit before making a string of the name.
                let start = bytes[0] == UInt8(ascii: "x") && bytes[1] == UInt8(ascii: "-") ? 2 : 0
                let isHex = Hex.value(bytes[start + 2]).map { _ in bytes[start] != 0 && bytes[start + 1] != 0 } ?? false
                guard isHex ? bytes[start + 2] == digit : digit == UInt8(ascii: "0") else { return nil }
                return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let name, name != ".", name != ".." else { continue }
            if let blob = BlobName(name), Blobs.fan(name) == fan {
                places.append(Place(inode: inode, name: name, blob: blob))
            } else {
                events.send(.foreign(path: "blobs/\(fan)/\(name)", reason: "is not the name of a blob"))
            }
        }
    }
}
