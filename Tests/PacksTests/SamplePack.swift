import Basics
import Glibc
import Model
import Testing

@testable import Packs

/// A number generator that gives the same each time.
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}

/// A content, and what it is called.
struct Sample: Hashable {
    let name: BlobName
    let bytes: [UInt8]

    static func plain(_ bytes: [UInt8]) -> Sample {
        Sample(name: .etag(ETag(md5: MD5.digest(bytes)), size: Int64(bytes.count)), bytes: bytes)
    }

    static func sha256(_ bytes: [UInt8]) -> Sample {
        Sample(name: .sha256(SHA256.digest(bytes), size: Int64(bytes.count)), bytes: bytes)
    }

    /// The parts are made up: nothing in a pack depends on them.
    static func multipart(_ bytes: [UInt8], parts: UInt32) -> Sample {
        var etag = ETag(md5: MD5.digest(MD5.digest(bytes)))
        etag.parts = parts
        return Sample(name: .etag(etag, size: Int64(bytes.count)), bytes: bytes)
    }

    /// A content of each size, of whichever kind.
    static func some(_ sizes: [Int], _ random: inout SeededNumbers) -> [Sample] {
        sizes.map { size in
            let bytes = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
            return switch Int.random(in: 0..<4, using: &random) {
            case 0: Sample.sha256(bytes)
            case 1: Sample.multipart(bytes, parts: .random(in: 1...10_000, using: &random))
            default: Sample.plain(bytes)
            }
        }
    }
}

/// A folder for packs that is gone after the test.
final class PackScratch {
    let path: String
    let folder: PackFolder
    var unfinished: String { "\(path)/unfinished" }

    init() throws {
        let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        path = "\(base)/icecore-packs-\(UInt64.random(in: 0 ... .max))"
        folder = PackFolder(path: "\(path)/packs")
        try Files.createDirectories(folder.path)
    }

    deinit {
        try? Files.removeAll(path)
    }

    /// Writes a pack of samples, of which no two have one name.
    ///
    /// - Returns: the pack, and where its records begin.
    func write(_ samples: [Sample], marker: UInt32 = 0x1CEC_04E5) throws -> (pack: FinishedPack, places: [UInt32]) {
        let writer = try PackWriter(path: unfinished, marker: marker)
        let places = try samples.map { try #require(try writer.append($0)) }
        return (try #require(try writer.finish(in: folder)), places)
    }

    /// Makes a file of some bytes, in the place of an earlier one.
    func put(_ bytes: [UInt8]) throws -> String {
        let path = "\(path)/changed"
        try Files.replace(path, with: bytes)
        return path
    }

    func bytes(_ pack: FinishedPack) throws -> [UInt8] {
        try Files.read(folder.path(of: pack.name), limit: 1 << 30)
    }
}

extension PackWriter {
    func append(_ sample: Sample) throws -> UInt32? {
        try sample.bytes.withUnsafeBytes { try append(sample.name, $0) }
    }
}

extension PackFile {
    func bytes(_ name: BlobName) throws -> [UInt8]? {
        guard let place = try find(name) else { return nil }
        return try withContent(at: place, name) { Array($0) }
    }
}

extension PackScan {
    /// What a scan finds, and where the sound part ends.
    func all() throws -> (records: [PackRecord], damage: [Range<Int64>], soundEnd: Int64) {
        var records: [PackRecord] = []
        var damage: [Range<Int64>] = []
        let end = try run { found in
            switch found {
            case .record(let record): records.append(record)
            case .damage(let range): damage.append(range)
            }
        }
        return (records, damage, end)
    }
}

/// The code of the error that comes.
func code(_ body: () throws -> Void) -> IcecoreError.Code? {
    do {
        try body()
        return nil
    } catch {
        return (error as? IcecoreError)?.code
    }
}
