import Basics
import CZlib
import Foundation
import Inventory
import Model
import Testing

/// A directory that is removed with its content.
final class TemporaryDirectory {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("inventory-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ bytes: [UInt8], _ name: String) throws -> String {
        let file = "\(path)/\(name)"
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        return file
    }
}

/// One gzip member.
func gzip(_ bytes: [UInt8], level: Int32 = 6) -> [UInt8] {
    var stream = z_stream()
    icecore_deflate_init_gzip(&stream, level)
    defer { deflateEnd(&stream) }
    var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(bytes.count))) + 64)
    var input = bytes
    let count = input.withUnsafeMutableBufferPointer { source in
        output.withUnsafeMutableBufferPointer { target in
            stream.next_in = source.baseAddress
            stream.avail_in = UInt32(source.count)
            stream.next_out = target.baseAddress
            stream.avail_out = UInt32(target.count)
            _ = deflate(&stream, Z_FINISH)
            return target.count - Int(stream.avail_out)
        }
    }
    return Array(output[..<count])
}

func gzip(_ text: String) -> [UInt8] { gzip(Array(text.utf8)) }

let fullSchema =
    "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass, "
    + "IsMultipartUploaded, EncryptionStatus, IntelligentTieringAccessTier"

/// A manifest and its list files on disk.
struct TestInventory {
    let manifest: InventoryManifest
    let paths: [String]
    let directory: TemporaryDirectory

    /// - Parameter lists: the list files, compressed.
    init(_ lists: [[UInt8]], schema: String = fullSchema, bucket: String = "bucket", claimed: [[UInt8]]? = nil) throws {
        directory = try TemporaryDirectory()
        var files: [String] = []
        var paths: [String] = []
        for (index, list) in lists.enumerated() {
            paths.append(try directory.write(list, "\(index).csv.gz"))
            let claim = claimed?[index] ?? list
            files.append(
                """
                {"key": "data/\(index).csv.gz", "size": \(claim.count), "MD5checksum": "\(Hex.encode(MD5.digest(claim)))"}
                """)
        }
        let json = """
            {"sourceBucket": "\(bucket)", "destinationBucket": "arn:aws:s3:::reports", "version": "2016-11-30",
             "creationTimestamp": "1730854800000", "fileFormat": "CSV", "fileSchema": "\(schema)",
             "files": [\(files.joined(separator: ","))]}
            """
        manifest = try InventoryManifest(json: Array(json.utf8), origin: "manifest.json")
        self.paths = paths
    }

    init(texts: [String], schema: String = fullSchema) throws {
        try self.init(texts.map { gzip($0) }, schema: schema)
    }

    func open(
        sortExternally: Bool = false, memoryLimit: Int = 192 << 20, threads: Int = 2, mostOpenFiles: Int = 64
    ) throws -> SortedInventory {
        var options = SortedInventory.Options(temporaryDirectory: directory.path)
        options.sortExternally = sortExternally
        options.memoryLimit = memoryLimit
        options.threads = threads
        options.mostOpenFiles = mostOpenFiles
        return try SortedInventory(manifest: manifest, files: paths, options: options)
    }

    func read(
        sortExternally: Bool = false, memoryLimit: Int = 192 << 20, threads: Int = 2, mostOpenFiles: Int = 64
    ) throws -> [PlainRow] {
        try open(
            sortExternally: sortExternally, memoryLimit: memoryLimit, threads: threads, mostOpenFiles: mostOpenFiles
        ).all()
    }
}

/// A row with values of its own.
struct PlainRow: Hashable {
    var key: [UInt8]
    var versionId: [UInt8]
    var flags: UInt8
    var size: Int64
    var lastModified: Timestamp
    var etag: String
    var file: UInt32
    var line: UInt32

    init(_ row: InventoryRow, _ batch: RowBatch) {
        key = Array(batch.key(of: row))
        versionId = Array(batch.versionId(of: row))
        flags = row.flags.rawValue
        size = row.size
        lastModified = row.lastModified
        file = row.file
        line = row.line
        if row.flags.contains(.verbatimETag) {
            etag = "verbatim:" + String(decoding: batch.verbatimETag(of: row), as: UTF8.self)
        } else if row.flags.contains(.marker) {
            etag = ""
        } else {
            let digits = String(row.etagHigh, radix: 16), low = String(row.etagLow, radix: 16)
            etag = String(repeating: "0", count: 16 - digits.count) + digits
            etag += String(repeating: "0", count: 16 - low.count) + low
            if row.etagParts > 0 { etag += "-\(row.etagParts)" }
        }
    }

    /// As the golden files write it.
    var text: String {
        var names: [String] = []
        let known: [(InventoryRow.Flags, String)] = [
            (.latest, "latest"), (.marker, "marker"), (.unknownVersion, "unknownVersion"), (.opaque, "opaque"),
            (.archived, "archived"), (.verbatimETag, "verbatimETag"),
        ]
        for (flag, name) in known where InventoryRow.Flags(rawValue: flags).contains(flag) { names.append(name) }
        let key = String(decoding: key, as: UTF8.self).replacing("\n", with: "\\n").replacing("\0", with: "\\0")
        let fields = [
            key, String(decoding: versionId, as: UTF8.self), lastModified.rfc3339, "\(size)", etag,
            names.joined(separator: " "),
        ]
        return fields.joined(separator: " | ")
    }
}

extension SortedInventory {
    func all() throws -> [PlainRow] {
        var all: [PlainRow] = []
        while let batch = try next() {
            for row in batch.rows { all.append(PlainRow(row, batch)) }
        }
        return all
    }
}

/// The files of a folder of fixtures: a header of `name: value` lines, a line `---`, and the content.
struct Fixture: CustomTestStringConvertible, Sendable {
    let name: String
    let header: [String: String]
    let content: String

    var testDescription: String { name }

    static func all(_ folder: String) -> [Fixture] {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures/\(folder)"
        guard let names = try? Files.names(in: path) else { return [] }
        return names.compactMap { name in
            guard let bytes = try? Files.read("\(path)/\(name)", limit: 1 << 20) else { return nil }
            let parts = String(decoding: bytes, as: UTF8.self).split(
                separator: "---\n", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { return nil }
            var header: [String: String] = [:]
            for line in parts[0].split(separator: "\n") {
                let pair = line.split(separator: ": ", maxSplits: 1)
                guard pair.count == 2 else { continue }
                let name = String(pair[0]), value = String(pair[1])
                header[name] = header[name].map { "\($0)\n\(value)" } ?? value
            }
            return Fixture(name: name, header: header, content: String(parts[1]))
        }
    }
}

/// A small generator of random numbers that gives the same ones every time.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}

/// The sentence of an ``IcecoreError`` that `body` throws.
func sentence(_ body: () throws -> Void) -> String {
    do {
        try body()
        return "no error"
    } catch let error as IcecoreError {
        return error.message
    } catch {
        return "another error: \(error)"
    }
}
