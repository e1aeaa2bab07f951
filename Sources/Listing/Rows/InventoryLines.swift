import Basics
import S3

/// Rows of a listing as lines of an inventory, in the form of AWS's.
struct InventoryLines {
    /// The columns of a listing of versions, and of one of objects: the id of a version is unknown there.
    static let schema = [
        "Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "LastModifiedDate", "ETag", "StorageClass",
        "IsMultipartUploaded",
    ]
    static let objectSchema = schema.filter { !["VersionId", "IsLatest", "IsDeleteMarker"].contains($0) }

    private(set) var bytes: [UInt8] = []
    private let beginning: [UInt8]
    private let hasVersions: Bool
    /// The day of the last line.
    private var day = Int64.min
    private var date: [UInt8] = []

    private static let separator = Array("\",\"".utf8)
    private static let digits = Array("0123456789ABCDEF".utf8)
    /// What stands for itself in a key. A space becomes `+`, everything else `%XX`.
    private static let isPlain: [Bool] = (0..<256).map { byte in
        switch UInt8(byte) {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "*"), UInt8(ascii: "/"):
            true
        default: false
        }
    }

    /// - Parameters:
    ///   - bucket: its name.
    ///   - hasVersions: the lines are of versions; else of objects.
    init(bucket: String, hasVersions: Bool) {
        beginning = Array("\"\(bucket)\",\"".utf8)
        self.hasVersions = hasVersions
    }

    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
    }

    /// Adds a row.
    ///
    /// - Parameter page: the bytes that it is a part of.
    mutating func append(_ row: S3VersionPage.Row, in page: UnsafeRawBufferPointer) {
        bytes += beginning
        append(key: row.key.bytes(in: page))
        if hasVersions {
            bytes += Self.separator
            let version = row.versionId.bytes(in: page)
            // AWS writes nothing for a null version.
            if !version.elementsEqual("null".utf8) { append(text: version) }
            append(flag: row.isLatest)
            append(flag: row.isMarker)
        }
        bytes += Self.separator
        if !row.isMarker { append(number: row.size) }
        bytes += Self.separator
        append(time: row.lastModified)
        bytes += Self.separator
        if !row.isMarker { append(text: row.etag.bytes(in: page)) }
        bytes += Self.separator
        if !row.isMarker {
            let storage = row.storageClass.bytes(in: page)
            if storage.isEmpty { bytes += "STANDARD".utf8 } else { append(text: storage) }
        }
        if row.isMarker {
            bytes += Self.separator
        } else {
            append(flag: row.etag.bytes(in: page).contains(UInt8(ascii: "-")))
        }
        bytes += "\"\n".utf8
    }

    private mutating func append(key: UnsafeRawBufferPointer) {
        Self.isPlain.withUnsafeBufferPointer { isPlain in
            for byte in key {
                if isPlain[Int(byte)] {
                    bytes.append(byte)
                } else if byte == UInt8(ascii: " ") {
                    bytes.append(UInt8(ascii: "+"))
                } else {
                    bytes.append(UInt8(ascii: "%"))
                    bytes.append(Self.digits[Int(byte >> 4)])
                    bytes.append(Self.digits[Int(byte & 15)])
                }
            }
        }
    }

    private mutating func append(text: UnsafeRawBufferPointer) {
        for byte in text {
            if byte == UInt8(ascii: "\"") { bytes.append(byte) }
            bytes.append(byte)
        }
    }

    private mutating func append(flag: Bool) {
        bytes += Self.separator
        bytes += (flag ? "true" : "false").utf8
    }

    private mutating func append(number: Int64) {
        if number < 10 { return bytes.append(48 + UInt8(truncatingIfNeeded: max(0, number))) }
        let start = bytes.count
        var rest = number
        while rest > 0 {
            bytes.append(48 + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        }
        bytes[start...].reverse()
    }

    /// `2026-03-15T01:00:27.000Z`
    private mutating func append(time: Timestamp) {
        let (quotient, remainder) = time.milliseconds.quotientAndRemainder(dividingBy: 86_400_000)
        let day = remainder < 0 ? quotient - 1 : quotient
        let rest = remainder < 0 ? remainder + 86_400_000 : remainder
        if day != self.day {
            self.day = day
            date = Array(Timestamp(milliseconds: time.milliseconds - rest).rfc3339.utf8.prefix(11))
        }
        bytes += date
        append(rest / 3_600_000, digits: 2, then: UInt8(ascii: ":"))
        append(rest / 60_000 % 60, digits: 2, then: UInt8(ascii: ":"))
        append(rest / 1000 % 60, digits: 2, then: UInt8(ascii: "."))
        append(rest % 1000, digits: 3, then: UInt8(ascii: "Z"))
    }

    private mutating func append(_ value: Int64, digits: Int, then separator: UInt8) {
        if digits == 3 { bytes.append(48 + UInt8(truncatingIfNeeded: value / 100)) }
        bytes.append(48 + UInt8(truncatingIfNeeded: value / 10 % 10))
        bytes.append(48 + UInt8(truncatingIfNeeded: value % 10))
        bytes.append(separator)
    }
}
