import Basics
import FoundationEssentials

/// A column of an inventory that Icecore makes use of, by its name in `fileSchema`.
public enum Column: String, Sendable, CaseIterable {
    case bucket = "Bucket"
    case key = "Key"
    case versionId = "VersionId"
    case isLatest = "IsLatest"
    case isDeleteMarker = "IsDeleteMarker"
    case size = "Size"
    case lastModified = "LastModifiedDate"
    case etag = "ETag"
    case storageClass = "StorageClass"
    case isMultipartUploaded = "IsMultipartUploaded"
    case encryptionStatus = "EncryptionStatus"
    case accessTier = "IntelligentTieringAccessTier"

    /// Without these columns a report cannot be synced.
    public static let required: [Column] = [.bucket, .key, .etag, .size, .lastModified]
}

/// What an inventory's `manifest.json` says: which bucket, when, which columns, which list files.
///
/// Everything in it comes from outside and is checked for form and plausible size before it is believed.
public struct Manifest: Sendable {
    /// One list file of the inventory.
    public struct ListFile: Sendable, Equatable {
        /// The file's key in the destination bucket: any string, never to be used as a path unseen.
        public let key: String
        /// The size of the compressed file in bytes, where the manifest says it.
        public let size: Int64?
        /// The MD5 of the compressed file, 16 bytes.
        public let md5: [UInt8]

        public init(key: String, size: Int64?, md5: [UInt8]) {
            self.key = key
            self.size = size
            self.md5 = md5
        }
    }

    /// The bucket that the rows describe.
    public let sourceBucket: String
    /// The name of the bucket that the report was delivered to (no ARN); nil where the manifest does not say.
    public let destinationBucket: String?
    /// The version of the manifest's own format, such as `2016-11-30`.
    public let version: String?
    /// When the scan of the bucket began (`creationTimestamp`); rows can be newer.
    public let created: Timestamp
    /// The columns in their order in the list files; nil for one that Icecore does not know and passes over.
    public let columns: [Column?]
    /// The list files in the manifest's order; rows name theirs by its place here.
    public let files: [ListFile]
    /// Where the manifest came from, for error messages.
    public let origin: String

    /// The most bytes of JSON that are looked at. At the three million rows that AWS puts into a list file, this is
    /// enough for hundreds of billions of rows.
    public static let largestJSON = 32 << 20
    static let mostFiles = 150_000
    /// The most brackets, braces and commas: a list file takes four, and keys may hold some.
    static let mostStructure = 20 * mostFiles
    static let mostColumns = 1000
    static let largestFile: Int64 = 1 << 50
    static let longestKey = 65_535

    /// Parses a `manifest.json`; fields that Icecore does not know are ignored.
    ///
    /// - Parameters:
    ///   - json: the file's bytes.
    ///   - origin: the URL or path that they came from, for error messages.
    /// - Throws: `invalidData` with a sentence that names the field, `unsupported` for an ORC or Parquet report.
    public init(json: [UInt8], origin: String) throws {
        func refuse(_ what: String, _ advice: String = Manifest.advice) -> IcecoreError {
            IcecoreError(.invalidData, "the manifest '\(Display.text(origin))' \(what); \(advice)")
        }
        guard json.count <= Manifest.largestJSON else {
            throw refuse("is larger than \(Manifest.largestJSON >> 20) MiB, which is not plausible")
        }
        // Each value costs the decoder far more memory than the byte or two that it can be written in.
        guard Manifest.structure(json) <= Manifest.mostStructure else {
            throw refuse("has more than \(Manifest.mostStructure) fields, which is not plausible")
        }
        let raw: RawManifest
        do {
            raw = try UntrustedJSON.decode(RawManifest.self, from: json)
        } catch let error as BadField {
            throw refuse("has no valid field '\(error.name)': \(error.problem)")
        } catch {
            throw refuse("is not a JSON object as S3 Inventory writes it", Manifest.damagedAdvice)
        }

        switch raw.fileFormat.uppercased() {
        case "CSV": break
        case "ORC", "PARQUET":
            throw IcecoreError(
                .unsupported,
                "the manifest '\(Display.text(origin))' is of an inventory in the format \(Display.text(raw.fileFormat)), "
                    + "which Icecore cannot read; configure the bucket's inventory with the output format CSV")
        default:
            throw refuse("has the unknown fileFormat '\(Display.text(raw.fileFormat))'; only CSV can be read")
        }
        guard isBucketName(raw.sourceBucket) else {
            throw refuse("names the sourceBucket '\(Display.text(raw.sourceBucket))', which is no bucket's name")
        }
        if let destination = raw.destinationBucket {
            // arn:aws:s3:::name; the partition differs between aws, aws-cn and aws-us-gov.
            let name =
                destination.hasPrefix("arn:")
                ? destination.split(separator: ":", omittingEmptySubsequences: false).last.map(String.init) ?? ""
                : destination
            guard isBucketName(name) else {
                throw refuse(
                    "names the destinationBucket '\(Display.text(destination))', which is no bucket's name or ARN")
            }
            destinationBucket = name
        } else {
            destinationBucket = nil
        }
        // Up to the end of the year 9999, the last one that RFC 3339 can write.
        guard let milliseconds = raw.creationTimestamp, (0...253_402_300_799_999).contains(milliseconds) else {
            throw refuse("has no valid field 'creationTimestamp': milliseconds since 1970 are expected")
        }
        sourceBucket = raw.sourceBucket
        version = raw.version
        created = Timestamp(milliseconds: milliseconds)
        columns = try Manifest.columns(of: raw.fileSchema) { refuse($0, $1) }
        files = try Manifest.files(raw.files) { refuse($0, Manifest.advice) }
        self.origin = origin
    }

    /// How many characters there are that a new value can begin after.
    private static func structure(_ json: [UInt8]) -> Int {
        json.withUnsafeBytes { bytes in
            var count = 0
            for byte in bytes
            where byte == UInt8(ascii: ",") || byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") { count += 1 }
            return count
        }
    }

    static let advice = "this inventory cannot be used, choose another date"
    static let damagedAdvice = "fetch it again, or choose another date"

    private static func columns(
        of schema: String, refuse: (String, String) -> IcecoreError
    ) throws(IcecoreError) -> [Column?] {
        var names: [String] = []
        var seen: Set<String> = []
        for part in schema.split(separator: ",", omittingEmptySubsequences: false) {
            let name = String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
            guard names.count < mostColumns else {
                throw refuse("has a fileSchema of more than \(mostColumns) columns, which is not plausible", advice)
            }
            guard seen.insert(name).inserted else {
                throw refuse("has the column '\(Display.text(name))' twice in its fileSchema", advice)
            }
            names.append(name)
        }
        for column in Column.required where !seen.contains(column.rawValue) {
            throw refuse(
                "lacks the column '\(column.rawValue)' in its fileSchema",
                "add the field to the bucket's inventory configuration, or choose another date")
        }
        return names.map { Column(rawValue: $0) }
    }

    private static func files(
        _ raw: [RawManifest.File], refuse: (String) -> IcecoreError
    ) throws(IcecoreError) -> [ListFile] {
        guard raw.count <= mostFiles else {
            throw refuse("names more than \(mostFiles) list files, which is not plausible")
        }
        var files: [ListFile] = []
        files.reserveCapacity(raw.count)
        var keys: Set<String> = []
        for file in raw {
            guard !file.key.isEmpty, file.key.utf8.count <= longestKey else {
                throw refuse("names a list file without a key of plausible length")
            }
            guard keys.insert(file.key).inserted else {
                throw refuse("names the list file '\(Display.text(file.key))' twice")
            }
            if let size = file.size, !(0...largestFile).contains(size) {
                throw refuse("gives the list file '\(Display.text(file.key))' the size \(size), which is not plausible")
            }
            guard file.md5.utf8.count == 32, let md5 = Hex.decode(file.md5.utf8) else {
                throw refuse("gives the list file '\(Display.text(file.key))' no MD5checksum of 32 hexadecimal digits")
            }
            files.append(ListFile(key: file.key, size: file.size, md5: md5))
        }
        return files
    }

    /// Checks a `manifest.json` against the `manifest.checksum` beside it, which holds its MD5 in hexadecimal digits.
    ///
    /// - Throws: `invalidData` where they differ, or the checksum is not of that form.
    public static func check(json: [UInt8], checksum: [UInt8], origin: String) throws {
        let isBlank: (UInt8) -> Bool = { $0 == 32 || (9...13).contains($0) }
        // Every blank is dropped only from a text of plausible length.
        let digits = checksum.count <= 1024 ? checksum.drop(while: isBlank).reversed().drop(while: isBlank) : []
        guard digits.count == 32, let expected = Hex.decode(Array(digits.reversed())) else {
            throw IcecoreError(
                .invalidData,
                "the manifest.checksum of '\(Display.text(origin))' is not an MD5 of 32 hexadecimal digits; "
                    + Manifest.damagedAdvice)
        }
        let found = MD5.digest(json)
        guard found == expected else {
            throw IcecoreError(
                .invalidData,
                "the manifest '\(Display.text(origin))' is damaged: its MD5 is \(Hex.encode(found)), but manifest.checksum "
                    + "says \(Hex.encode(expected)); \(Manifest.damagedAdvice)")
        }
    }
}

/// Letters, digits, `.`, `-` and `_`: what S3 and its imitations allow in a bucket's name. Never `.` or `..`.
private func isBucketName(_ name: String) -> Bool {
    (1...255).contains(name.utf8.count) && name != "." && name != ".."
        && name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
}

private struct BadField: Error {
    let name: String
    let problem: String
}

/// The JSON as it stands; only the types of the fields are checked here.
private struct RawManifest: Decodable {
    struct File: Decodable {
        let key: String
        let size: Int64?
        let md5: String

        enum Field: String, CodingKey {
            case key, size
            case md5 = "MD5checksum"
        }

        init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: Field.self)
            key = try fields.text(.key, in: "files[].")
            md5 = try fields.text(.md5, in: "files[].")
            guard fields.contains(.size) else {
                size = nil
                return
            }
            guard let number = try? fields.decode(Int64?.self, forKey: .size) else {
                throw BadField(name: "files[].size", problem: "a whole number of bytes is expected")
            }
            size = number
        }
    }

    let sourceBucket: String
    let destinationBucket: String?
    let version: String?
    let creationTimestamp: Int64?
    let fileFormat: String
    let fileSchema: String
    let files: [File]

    enum Field: String, CodingKey {
        case sourceBucket, destinationBucket, version, creationTimestamp, fileFormat, fileSchema, files
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Field.self)
        sourceBucket = try fields.text(.sourceBucket)
        destinationBucket = fields.contains(.destinationBucket) ? try fields.text(.destinationBucket) : nil
        version = try? fields.decode(String.self, forKey: .version)
        fileFormat = try fields.text(.fileFormat)
        // AWS writes a string of digits.
        if let number = try? fields.decode(Int64.self, forKey: .creationTimestamp) {
            creationTimestamp = number
        } else {
            creationTimestamp = (try? fields.decode(String.self, forKey: .creationTimestamp)).flatMap { Int64($0) }
        }
        // The other formats have a schema of their own kind; what is wrong with them is their format.
        fileSchema = fileFormat.uppercased() == "CSV" ? try fields.text(.fileSchema) : ""
        do {
            files = try fields.decode([File].self, forKey: .files)
        } catch let error as BadField {
            throw error
        } catch {
            throw BadField(name: "files", problem: "a list of objects is expected")
        }
    }
}

extension KeyedDecodingContainer {
    fileprivate func text(_ key: Key, in prefix: String = "") throws -> String {
        guard let text = try? decode(String.self, forKey: key) else {
            throw BadField(name: prefix + key.stringValue, problem: "a text is expected")
        }
        return text
    }
}
