import Basics
import Dispatch
import Synchronization

/// Writes made-up inventories of any size, the same ones for the same options: a bucket of Zarr trees, of blobs named by
/// UUIDs and of one very large directory, with noncurrent versions and delete markers, and as it is on later days.
public struct InventoryGenerator: Sendable {
    /// How the rows are distributed over the list files.
    public enum FileLayout: String, Sendable, CaseIterable {
        /// Sorted files, each with a range of keys of its own.
        case ranges
        /// Sorted files that all span the whole bucket, key by key in turn.
        case interleaved
        /// Files with ranges as disjoint as those of `ranges`, whose rows are in no order.
        case shuffled
    }

    /// About how many rows there are on day 0.
    public var rows = 1_000_000
    public var seed: UInt64 = 1
    /// Which day: the state of a bucket that changes from day to day.
    public var day = 0
    /// How many percent of the keys are new, overwritten or deleted each day.
    public var changePercent = 1.0
    /// How many list files there are.
    public var files = 4
    public var layout = FileLayout.ranges
    public var bucket = "icecore-bench"
    /// The list files' keys begin with this.
    public var prefix = "inventory/icecore-bench"
    /// zlib's, 1 to 9; AWS's files are about as small as 6 makes them.
    public var compressionLevel: Int32 = 6

    public init() {}

    /// What was written.
    public struct GeneratedInventory: Sendable {
        /// The inventory's name: `2024-11-06T01-00Z` on day 0.
        public var name: String
        /// The path of the directory with `manifest.json` and `manifest.checksum`.
        public var directory: String
        /// The paths of the list files, in the manifest's order.
        public var lists: [String]
        public var rows: Int
    }

    /// Writes `directory/<name>/manifest.json`, `manifest.checksum` beside it, and `directory/data/<uuid>.csv.gz`.
    public func write(to directory: String) throws -> GeneratedInventory {
        let tree = BucketTree(self)
        let name = tree.name
        try Files.createDirectories("\(directory)/\(name)")
        try Files.createDirectories("\(directory)/data")
        let count = max(1, files)
        let results = Mutex<[Result<WrittenList, any Error>?]>(Array(repeating: nil, count: count))
        DispatchQueue.concurrentPerform(iterations: count) { index in
            let result = Result { try writeList(index, count, tree, directory) }
            results.withLock { $0[index] = result }
        }
        let lists = try results.withLock { $0 }.compactMap { try $0?.get() }

        let files = lists.map { list in
            """
                {
                  "key" : "\(prefix)/data/\(list.name)",
                  "size" : \(list.size),
                  "MD5checksum" : "\(list.md5)"
                }
            """
        }
        let manifest = """
            {
              "sourceBucket" : "\(bucket)",
              "destinationBucket" : "arn:aws:s3:::\(bucket)-reports",
              "version" : "2016-11-30",
              "creationTimestamp" : "\(tree.takenAt.milliseconds)",
              "fileFormat" : "CSV",
              "fileSchema" : "\(BucketTree.schema)",
              "files" : [ \(files.joined(separator: ", ").drop { $0 == " " }) ]
            }
            """
        let json = Array(manifest.utf8)
        try Files.replace("\(directory)/\(name)/manifest.json", with: json)
        try Files.replace(
            "\(directory)/\(name)/manifest.checksum", with: Array("\(Hex.encode(MD5.digest(json)))\n".utf8))
        return GeneratedInventory(
            name: name, directory: "\(directory)/\(name)", lists: lists.map { "\(directory)/data/\($0.name)" },
            rows: lists.reduce(0) { $0 + $1.rows })
    }

    private struct WrittenList {
        var name: String
        var size: Int64
        var md5: String
        var rows: Int
    }

    private func writeList(
        _ index: Int, _ count: Int, _ tree: BucketTree, _ directory: String
    ) throws -> WrittenList {
        var noise = Noise(seed, UInt64(day), UInt64(index), 0xF11E)
        let name = "\(uuid(noise.next(), noise.next())).csv.gz"
        let writer = try GzipWriter("\(directory)/data/\(name)", level: compressionLevel)
        var text = RowText(bucket: bucket)
        var rows = 0
        func add(_ slot: Int) throws {
            rows += tree.append(slot, to: &text)
            if text.bytes.count > 1 << 18 {
                try writer.write(text.bytes)
                text.bytes.removeAll(keepingCapacity: true)
            }
        }
        let range = tree.slots * index / count..<tree.slots * (index + 1) / count
        switch layout {
        case .ranges:
            for slot in range { try add(slot) }
        case .interleaved:
            for slot in stride(from: index, to: tree.slots, by: count) { try add(slot) }
        case .shuffled:
            // A walk with a step that has no divisor in common with the length comes by every place once.
            var step = range.count * 2 / 3 | 1
            while greatestCommonDivisor(step, range.count) > 1 { step += 2 }
            var place = 0
            for _ in range {
                try add(range.lowerBound + place)
                place = (place + step) % range.count
            }
        }
        try writer.write(text.bytes)
        let (size, md5) = try writer.finish()
        return WrittenList(name: name, size: size, md5: md5, rows: rows)
    }
}

private func greatestCommonDivisor(_ left: Int, _ right: Int) -> Int {
    var (left, right) = (left, right)
    while right != 0 { (left, right) = (right, left % right) }
    return left
}

/// Random numbers that follow from what they are for.
struct Noise {
    private var state: UInt64

    init(_ values: UInt64...) {
        state = 0
        for value in values { state = Noise.mix(state &+ value &* 0xD6E8_FEB8_6659_FD93 &+ 0x9E37_79B9_7F4A_7C15) }
    }

    init(_ seed: UInt64, _ slot: Int, _ purpose: UInt64) {
        state = Noise.mix(seed &+ UInt64(bitPattern: Int64(slot)) &* 0xD6E8_FEB8_6659_FD93)
        state = Noise.mix(state ^ purpose &* 0x9E37_79B9_7F4A_7C15)
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var value = value
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Noise.mix(state)
    }

    /// Below `bound`.
    mutating func next(_ bound: Int) -> Int {
        Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(max(1, bound))).high)
    }

    /// From 0 to below 1.
    mutating func fraction() -> Double {
        Double(next() >> 11) / 9_007_199_254_740_992
    }
}

/// A UUID of 128 bits as they are.
func uuid(_ high: UInt64, _ low: UInt64) -> String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(36)
    for index in 0..<32 {
        if [8, 12, 16, 20].contains(index) { bytes.append(UInt8(ascii: "-")) }
        let word = index < 16 ? high : low
        let nibble = UInt8(truncatingIfNeeded: word >> UInt64(60 - index % 16 * 4)) & 15
        bytes.append(nibble < 10 ? 48 + nibble : 87 + nibble)
    }
    return String(decoding: bytes, as: UTF8.self)
}
