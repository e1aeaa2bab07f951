import Basics
import CZlib

extension InventoryReport {
    /// Writes the report as AWS does, in one of the many ways that AWS leaves open.
    ///
    /// The result is `DIRECTORY/<name>/manifest.json`, `manifest.checksum` and `DIRECTORY/data/<uuid>.csv.gz`.
    ///
    /// - Parameters:
    ///   - directory: is created where it does not exist; several reports go into one.
    ///   - bucket: the name of the bucket that was listed.
    ///   - seed: decides the order of the columns and which there are, how many list files, whether rows are in order,
    ///     whether some stand twice, and how a null version is written. The rows' meaning never depends on it.
    public func write(to directory: String, bucket: String = "simulated", seed: UInt64 = 0) throws {
        var random = SplitMix64(seed: name.utf8.reduce(seed) { $0 &* 1_099_511_628_211 ^ UInt64($1) })
        let columns = self.columns(&random)
        var lines = rows.map { line($0, columns, bucket, &random) }
        if random.chance(30) {
            for _ in 0..<min(3, lines.count) { lines.append(random.pick(lines)) }
        }
        if random.chance(50) { lines = random.shuffle(lines) }

        try Files.createDirectories("\(directory)/data")
        var files: [String] = []
        let fileCount = 1 + random.below(4)
        let fileLength = max(1, (lines.count + fileCount - 1) / fileCount)
        for start in stride(from: 0, to: lines.count, by: fileLength) {
            let text = lines[start..<min(start + fileLength, lines.count)].joined()
            let content = try gzip(Array(text.utf8))
            let file = uuid(&random) + ".csv.gz"
            try Files.replace("\(directory)/data/\(file)", with: content)
            files.append(
                """
                {
                    "key" : "inventories/\(bucket)/daily/data/\(file)",
                    "size" : \(content.count),
                    "MD5checksum" : "\(Hex.encode(MD5.digest(content)))"
                  }
                """)
        }
        if random.chance(50) { files = random.shuffle(files) }
        let manifest = Array(
            """
            {
              "sourceBucket" : "\(bucket)",
              "destinationBucket" : "arn:aws:s3:::\(bucket)-inventories",
              "version" : "2016-11-30",
              "creationTimestamp" : "\(takenAt.milliseconds)",
              "fileFormat" : "CSV",
              "fileSchema" : "\(columns.map(\.rawValue).joined(separator: ", "))",
              "files" : [ \(files.joined(separator: ", ")) ]
            }
            """.utf8)
        try Files.createDirectories("\(directory)/\(name)")
        try Files.replace("\(directory)/\(name)/manifest.json", with: manifest)
        let checksum = Hex.encode(MD5.digest(manifest)) + "\n"
        try Files.replace("\(directory)/\(name)/manifest.checksum", with: Array(checksum.utf8))
    }

    private enum ReportColumn: String {
        case bucket = "Bucket"
        case key = "Key"
        case versionId = "VersionId"
        case isLatest = "IsLatest"
        case isDeleteMarker = "IsDeleteMarker"
        case size = "Size"
        case lastModified = "LastModifiedDate"
        case etag = "ETag"
        case isMultipart = "IsMultipartUploaded"
        case storageClass = "StorageClass"
        case encryption = "EncryptionStatus"
        case accessControlList = "ObjectAccessControlList"
    }

    /// The order of AWS, or any other; what a report need not have comes and goes.
    private func columns(_ random: inout SplitMix64) -> [ReportColumn] {
        let ids: [ReportColumn] = kind == .currentOnly ? [] : [.versionId, .isLatest, .isDeleteMarker]
        let extras: [ReportColumn] = [.isMultipart, .storageClass, .encryption, .accessControlList]
        let columns = [.bucket, .key] + ids + [.size, .lastModified, .etag] + extras.filter { _ in random.chance(40) }
        return random.chance(50) ? random.shuffle(columns) : columns
    }

    private func line(_ row: Row, _ columns: [ReportColumn], _ bucket: String, _ random: inout SplitMix64) -> String {
        let version = row.version
        let fields = columns.map { column in
            switch column {
            case .bucket: bucket
            case .key: Self.encode(key: version.key)
            case .versionId: version.id == .null && random.chance(80) ? "" : version.id.bytes?.string ?? ""
            case .isLatest: row.isLatest ? "true" : "false"
            case .isDeleteMarker: version.isMarker ? "true" : "false"
            case .size: version.isMarker && random.chance(80) ? "" : String(version.size)
            case .lastModified: Self.time(version.lastModified)
            case .etag: version.etag.string
            case .isMultipart: version.etag.bytes.contains(UInt8(ascii: "-")) ? "true" : "false"
            case .storageClass: version.isMarker ? "" : "STANDARD"
            case .encryption: version.isMarker ? "" : "SSE-S3"
            case .accessControlList: "eyJ2ZXJzaW9uIjoiMjAyMi0xMS0xMCJ9"
            }
        }
        return fields.map { "\"\($0)\"" }.joined(separator: ",") + "\n"
    }

    /// A key as inventories write it: percent-encoded, but a space is `+`.
    static func encode(key: ByteString) -> String {
        let plain = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.*/".utf8)
        return key.bytes.map { byte in
            if plain.contains(byte) { return String(UnicodeScalar(byte)) }
            return byte == UInt8(ascii: " ") ? "+" : "%" + Hex.encode([byte]).uppercased()
        }.joined()
    }

    /// `2024-03-01T01:00:00.000Z`: always with milliseconds.
    private static func time(_ instant: Timestamp) -> String {
        let text = instant.rfc3339
        return text.contains(".") ? text : text.dropLast() + ".000Z"
    }
}

private func uuid(_ random: inout SplitMix64) -> String {
    [4, 2, 2, 2, 6].map { length in
        Hex.encode((0..<length).map { _ in UInt8(random.below(256)) })
    }.joined(separator: "-")
}

/// The bytes as one gzip member.
func gzip(_ bytes: [UInt8]) throws -> [UInt8] {
    var input = bytes
    var stream = z_stream()
    guard icecore_deflate_init_gzip(&stream, 6) == Z_OK else { throw IcecoreError(.system, "zlib has no memory") }
    defer { deflateEnd(&stream) }
    var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(input.count))))
    let result = input.withUnsafeMutableBufferPointer { source in
        output.withUnsafeMutableBufferPointer { target in
            stream.next_in = source.baseAddress
            stream.avail_in = UInt32(source.count)
            stream.next_out = target.baseAddress
            stream.avail_out = UInt32(target.count)
            return deflate(&stream, Z_FINISH)
        }
    }
    guard result == Z_STREAM_END else { throw IcecoreError(.system, "zlib cannot compress") }
    return Array(output[..<Int(stream.total_out)])
}
