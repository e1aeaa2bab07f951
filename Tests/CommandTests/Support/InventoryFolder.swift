import Basics
import Foundation
import Testbed

@testable import ReferenceModel

/// Inventories made by hand, right and wrong ones, in a directory as people mirror them.
struct InventoryFolder {
    /// One row, all of it text: what it says need not make sense.
    struct Row {
        var key: String
        var versionId: String
        var isLatest = true
        var isMarker = false
        var content: [UInt8]
        /// Nil: the content's.
        var etag: String?
        var size: String?
        var lastModified: String
        var storageClass = "STANDARD"
        var encryption = "NOT-SSE"

        init(
            _ key: String, _ content: [UInt8], versionId: String? = nil,
            at lastModified: String = "2024-03-01T00:00:00.000Z"
        ) {
            self.key = key
            self.content = content
            self.versionId = versionId ?? Hex.encode(MD5.digest(Array(key.utf8) + content))
            self.lastModified = lastModified
        }

        /// Changes made to a copy.
        func with(_ change: (inout Row) -> Void) -> Row {
            var row = self
            change(&row)
            return row
        }

        func value(_ column: String, bucket: String) -> String {
            switch column {
            case "Bucket": bucket
            case "Key": InventoryReport.encode(key: ByteString(key))
            case "VersionId": versionId == "null" ? "" : versionId
            case "IsLatest": "\(isLatest)"
            case "IsDeleteMarker": "\(isMarker)"
            case "Size": isMarker ? "" : size ?? "\(content.count)"
            case "LastModifiedDate": lastModified
            case "ETag": isMarker ? "" : etag ?? Hex.encode(MD5.digest(content))
            case "StorageClass": isMarker ? "" : storageClass
            case "EncryptionStatus": isMarker ? "" : encryption
            default: ""
            }
        }
    }

    static let columns = [
        "Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "LastModifiedDate", "ETag", "StorageClass",
        "EncryptionStatus",
    ]
    /// How reports of buckets without versions look.
    static let columnsWithoutVersions = ["Bucket", "Key", "Size", "LastModifiedDate", "ETag", "StorageClass"]

    let path: String
    let bucket: String
    var url: String { "file://\(path)" }

    init(_ path: String, bucket: String) throws {
        self.path = path
        self.bucket = bucket
        try Files.createDirectories("\(path)/data")
    }

    /// Writes an inventory.
    ///
    /// - Parameters:
    ///   - files: how many list files.
    ///   - spoilText: changes the lines, `spoilFile` the compressed list file, `spoilManifest` the manifest, each before
    ///     the sums that vouch for it are made; `afterwards` changes the files when everything is written.
    func write(
        _ name: String, _ rows: [Row], columns: [String] = InventoryFolder.columns, files count: Int = 1,
        isSorted: Bool = true,
        spoilText: (inout String) -> Void = { _ in }, spoilFile: (inout [UInt8]) -> Void = { _ in },
        spoilManifest: (inout String) -> Void = { _ in },
        afterwards: (_ list: String, _ manifest: String) throws -> Void = { _, _ in }
    ) throws {
        var files: [String] = []
        var list = ""
        let sorted = isSorted ? rows.sorted { ByteString($0.key) < ByteString($1.key) } : rows
        let length = max(1, (rows.count + max(1, count) - 1) / max(1, count))
        for number in 0..<count {
            let share = sorted.dropFirst(number * length).prefix(length)
            var text = share.map { row in
                columns.map { "\"\(row.value($0, bucket: bucket))\"" }.joined(separator: ",") + "\n"
            }.joined()
            spoilText(&text)
            var content = try gzip(Array(text.utf8))
            spoilFile(&content)
            let file = "\(name)-\(number).csv.gz"
            list = "\(path)/data/\(file)"
            try Files.replace(list, with: content)
            files.append(
                """
                {"key": "all/\(bucket)/data/\(file)", "size": \(content.count), \
                "MD5checksum": "\(Hex.encode(MD5.digest(content)))"}
                """)
        }
        let taken = try InventoryFolder.takenAt(name)
        var manifest = """
            {"sourceBucket": "\(bucket)", "destinationBucket": "arn:aws:s3:::\(bucket)-inventories",
            "version": "2016-11-30", "creationTimestamp": "\(taken.milliseconds)", "fileFormat": "CSV",
            "fileSchema": "\(columns.joined(separator: ", "))", "files": [\(files.joined(separator: ", "))]}
            """
        spoilManifest(&manifest)
        let folder = "\(path)/\(name)"
        try Files.createDirectory(folder)
        try Files.replace("\(folder)/manifest.json", with: Array(manifest.utf8))
        try Files.replace("\(folder)/manifest.checksum", with: Array(Hex.encode(MD5.digest(Array(manifest.utf8))).utf8))
        try afterwards(list, "\(folder)/manifest.json")
    }

    /// When an inventory of this name was taken.
    static func takenAt(_ name: String) throws -> Timestamp {
        let time = name.prefix(13) + ":" + name.dropFirst(14).prefix(2) + ":00Z"
        guard let taken = Timestamp(rfc3339: String(time)) else {
            throw TestbedError("'\(name)' is no inventory's name")
        }
        return taken
    }
}

extension FaultServer {
    /// Has what the rows list, by their version ids, and those that are latest by key too.
    func add(_ bucket: String, _ rows: [InventoryFolder.Row]) throws {
        for row in rows where !row.isMarker {
            try add(bucket: bucket, key: row.key, versionId: row.versionId, content: row.content)
            if row.isLatest { try add(bucket: bucket, key: row.key, content: row.content) }
        }
    }

    /// The path that a version is asked for by.
    static func target(_ bucket: String, _ row: InventoryFolder.Row) -> String {
        "/\(bucket)/\(row.key)?versionId=\(row.versionId)"
    }
}
