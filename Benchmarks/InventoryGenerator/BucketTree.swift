import Basics

/// A made-up bucket as a function: slot number → key and versions. Slots are in the order of their keys, so any part of
/// the bucket can be written without the rest.
struct BucketTree: Sendable {
    static let schema =
        "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, IsMultipartUploaded"

    let slots: Int
    let takenAt: Timestamp
    let name: String

    private let seed: UInt64
    private let day: Int
    private let change: Double
    private let blobs: Int
    private let children: Int
    private let zarrs: Int
    private let chunks: [[[UInt8]]]
    private static let chunksPerZarr = 4096
    private static let dayLength: Int64 = 86_400_000
    private static let partSize: Int64 = 64 << 20

    init(_ options: InventoryGenerator) {
        seed = options.seed
        day = max(0, options.day)
        change = max(0, min(100, options.changePercent)) / 100
        // About eight percent of the rows are noncurrent versions and markers.
        slots = max(1, Int(Double(options.rows) / 1.08))
        // The large directory has a million children in a bucket of ten million rows.
        children = slots / 10
        blobs = slots / 5
        zarrs = (slots - blobs - children + Self.chunksPerZarr - 1) / Self.chunksPerZarr
        chunks = (0..<4).map(Self.shape)
        // 2024-11-06T01:00Z
        takenAt = Timestamp(milliseconds: 1_730_854_800_000 + Int64(day) * Self.dayLength)
        let civil = takenAt.civil
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        name = "\(civil.year)-\(two(civil.month))-\(two(civil.day))T\(two(civil.hour))-\(two(civil.minute))Z"
    }

    /// The keys below one Zarr's root, in order: metadata, then chunks at several resolutions.
    private static func shape(_ number: Int) -> [[UInt8]] {
        var paths = [".zattrs", ".zgroup"]
        for level in 0..<6 {
            let side = [40, 64, 90, 128][number] >> level
            if side == 0 { break }
            paths.append("\(level)/.zarray")
            for row in 0..<side {
                for column in 0..<side { paths.append("\(level)/0/0/\(row)/\(column)") }
            }
        }
        var bytes = paths.map { Array($0.utf8) }
        bytes.sort { $0.lexicographicallyPrecedes($1) }
        while bytes.count < chunksPerZarr { bytes.append(Array("9/0/0/\(bytes.count)/0".utf8)) }
        return Array(bytes[..<chunksPerZarr])
    }

    /// Appends the rows of a slot; returns how many there were.
    func append(_ slot: Int, to text: inout RowText) -> Int {
        appendKey(slot, to: &text.key)
        var rows = appendVersions(slot, born: 0, to: &text)
        guard change > 0 else { return rows }
        // New keys: beside the old one, after it and before the one that follows.
        for date in 1..<(day + 1) {
            var noise = Noise(seed, slot, UInt64(date) << 8 | 7)
            guard noise.fraction() < change / 4 else { continue }
            let length = text.key.count
            text.key += Array(".d\(1000 + date)".utf8)
            rows += appendVersions(slot, born: date, to: &text)
            text.key.removeLast(text.key.count - length)
        }
        return rows
    }

    private func appendKey(_ slot: Int, to key: inout [UInt8]) {
        key.removeAll(keepingCapacity: true)
        if slot < blobs {
            let (high, low) = orderedUUID(slot, of: blobs, purpose: 1)
            let name = Array(uuid(high, low).utf8)
            key += Array("blobs/".utf8)
            key += name[..<3]
            key.append(UInt8(ascii: "/"))
            key += name[3..<6]
            key.append(UInt8(ascii: "/"))
            key += name
        } else if slot < blobs + children {
            let number = 100_000_000 + (slot - blobs)
            key += Array("events/day-".utf8)
            key += Array(String(number).utf8.dropFirst())
            key += Array(".json".utf8)
        } else {
            let rest = slot - blobs - children
            let zarr = rest / Self.chunksPerZarr
            let (high, low) = orderedUUID(zarr, of: zarrs, purpose: 2)
            key += Array("zarr/".utf8)
            key += Array(uuid(high, low).utf8)
            key.append(UInt8(ascii: "/"))
            key += chunks[Int(truncatingIfNeeded: high ^ low) & 3][rest % Self.chunksPerZarr]
        }
    }

    /// UUIDs that rise with their number.
    private func orderedUUID(_ number: Int, of count: Int, purpose: UInt64) -> (UInt64, UInt64) {
        var noise = Noise(seed, number, purpose)
        let step = UInt64.max / UInt64(max(1, count))
        return (step &* UInt64(number) &+ noise.next() % max(1, step), noise.next())
    }

    private struct GeneratedVersion {
        var time: Int64
        var isMarker: Bool
        var noise: Noise
    }

    /// The versions that a lifecycle of 30 days has left, newest first.
    private func appendVersions(_ slot: Int, born: Int, to text: inout RowText) -> Int {
        let day0 = takenAt.milliseconds - Int64(day) * Self.dayLength
        var versions: [GeneratedVersion] = []
        var noise = Noise(seed, slot, UInt64(born) << 8 | 3)
        if born == 0 {
            // A Zarr is uploaded in one go, most things years ago.
            var upload = Noise(seed, slot < blobs + children ? slot : (slot - blobs) / Self.chunksPerZarr, 4)
            let age = Int64(upload.fraction() * 1000 * Double(Self.dayLength)) + 40 * Self.dayLength
            let first = (day0 - age) / 1000 * 1000 + Int64(noise.next(600)) * 1000
            versions.append(GeneratedVersion(time: first, isMarker: false, noise: noise))
            // Four percent of the keys have changed within the last 30 days.
            if noise.next(100) < 4 {
                var time = day0
                var changes: [GeneratedVersion] = []
                for _ in 0...noise.next(3) {
                    time -= Int64(noise.next(9 * 86400) + 1) * 1000
                    changes.append(GeneratedVersion(time: time, isMarker: false, noise: noise))
                    noise = Noise(noise.next(), noise.next())
                }
                if noise.next(4) == 0 { changes[0].isMarker = true }
                versions.append(contentsOf: changes.reversed())
            }
        } else {
            let time = day0 + Int64(born) * Self.dayLength - Int64(noise.next(86400)) * 1000
            versions.append(GeneratedVersion(time: time, isMarker: false, noise: noise))
        }
        if change > 0 {
            for date in (born + 1)..<(day + 1) where date <= day {
                var event = Noise(seed, slot, UInt64(date) << 24 | UInt64(born) << 8 | 5)
                let chance = event.fraction()
                guard chance < change * 3 / 4 else { continue }
                let isMarker = chance < change / 4
                if isMarker, versions.last?.isMarker ?? false { continue }
                let time = day0 + Int64(date) * Self.dayLength - Int64(event.next(86400)) * 1000
                versions.append(GeneratedVersion(time: time, isMarker: isMarker, noise: event))
            }
        }

        var rows = 0
        var replacedAt = Int64.max
        for version in versions.reversed() {
            let isLatest = rows == 0
            if !isLatest, replacedAt < takenAt.milliseconds - 30 * Self.dayLength { break }
            var noise = version.noise
            let size = self.size(slot, &noise)
            text.append(
                noise: &noise, isLatest: isLatest, isMarker: version.isMarker, size: size, time: version.time,
                parts: size > Self.partSize ? (size + Self.partSize - 1) / Self.partSize : 0)
            replacedAt = version.time
            rows += 1
        }
        return rows
    }

    private func size(_ slot: Int, _ noise: inout Noise) -> Int64 {
        if slot < blobs {
            // From a kilobyte to tens of gigabytes, each order of magnitude as often as the others.
            let magnitude = noise.next(25)
            return Int64(noise.next(1024 << magnitude)) + 1
        }
        return Int64(noise.next(slot < blobs + children ? 5000 : 200_000)) + 20
    }
}

/// Rows as AWS writes them.
struct RowText {
    var bytes: [UInt8] = []
    /// The key of the rows that follow.
    var key: [UInt8] = []
    private let bucket: [UInt8]
    private var midnight = Int64.min
    private var date: [UInt8] = []
    private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._".utf8)
    private static let digits = Array("0123456789abcdef".utf8)
    private static let separator = Array("\",\"".utf8)
    private static let yes = Array("true".utf8), no = Array("false".utf8)

    init(bucket: String) {
        self.bucket = Array("\"\(bucket)\",\"".utf8)
        bytes.reserveCapacity(1 << 19)
    }

    mutating func append(noise: inout Noise, isLatest: Bool, isMarker: Bool, size: Int64, time: Int64, parts: Int64) {
        bytes += bucket
        bytes += key
        bytes += Self.separator
        for _ in 0..<4 {
            var word = noise.next()
            for _ in 0..<8 {
                bytes.append(Self.letters[Int(truncatingIfNeeded: word & 63)])
                word >>= 6
            }
        }
        bytes += Self.separator
        bytes += isLatest ? Self.yes : Self.no
        bytes += Self.separator
        bytes += isMarker ? Self.yes : Self.no
        bytes += Self.separator
        if !isMarker { appendNumber(size) }
        bytes += Self.separator
        appendTime(time)
        bytes += Self.separator
        if !isMarker {
            for _ in 0..<2 {
                var word = noise.next()
                for _ in 0..<16 {
                    bytes.append(Self.digits[Int(truncatingIfNeeded: word & 15)])
                    word >>= 4
                }
            }
            if parts > 0 {
                bytes.append(UInt8(ascii: "-"))
                appendNumber(parts)
            }
        }
        bytes += Self.separator
        if !isMarker { bytes += parts > 0 ? Self.yes : Self.no }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: "\n"))
    }

    private mutating func appendNumber(_ value: Int64) {
        let start = bytes.count
        var rest = value
        repeat {
            bytes.append(UInt8(truncatingIfNeeded: 48 + rest % 10))
            rest /= 10
        } while rest > 0
        bytes[start...].reverse()
    }

    private mutating func appendTime(_ time: Int64) {
        let second = Int(time / 1000 % 86400)
        let day = time - time % 86_400_000
        if day != midnight {
            midnight = day
            date = Array(Timestamp(milliseconds: day).rfc3339.utf8.prefix(11))
        }
        bytes += date
        for (place, part) in [second / 3600, second / 60 % 60, second % 60].enumerated() {
            if place > 0 { bytes.append(UInt8(ascii: ":")) }
            bytes.append(UInt8(truncatingIfNeeded: 48 + part / 10))
            bytes.append(UInt8(truncatingIfNeeded: 48 + part % 10))
        }
        bytes += ".000Z".utf8
    }
}
