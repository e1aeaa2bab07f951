import Basics

/// What an inventory's `manifest.json` says: which bucket, when, which columns, which list files.
///
/// All of it is untrusted, and checked for form and plausible size.
public struct InventoryManifest: Sendable {
    /// One list file of the inventory.
    public struct ListFile: Sendable, Equatable {
        /// The file's key in the destination bucket: any string, never to be used as a path unchecked.
        public let key: String
        /// The size of the compressed file in bytes, if the manifest has it.
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
    /// The name (not ARN) of the bucket that the report was delivered to; nil if the manifest does not say.
    public let destinationBucket: String?
    /// The version of the manifest's own format, such as `2016-11-30`.
    public let version: String?
    /// When the scan of the bucket began (`creationTimestamp`); rows can be newer.
    public let created: Timestamp
    /// What the list files are written in.
    public let format: InventoryFormat
    /// The columns, in CSV in the order of the list files, where nil stands for one that Icecore does not use.
    public private(set) var columns: [InventoryColumn?]
    /// Whether the rows have ETags. Those of versions without are ``InventoryRow/unknownETag``.
    public var hasETags: Bool { columns.contains(.etag) }
    /// The list files in the manifest's order; a row's `file` is an index into them.
    public let files: [ListFile]
    /// Where the manifest came from, for error messages.
    public let origin: String

    /// The most bytes of JSON that are accepted. AWS puts three million rows into a list file, so this is enough for
    /// hundreds of billions of rows.
    public static let largestJSON = 32 << 20
    static let mostFiles = 150_000
    /// The most brackets, braces and commas: a list file takes four, and keys may contain some.
    static let mostStructure = 20 * mostFiles
    static let mostColumns = 1000
    static let largestFile: Int64 = 1 << 50
    static let longestKey = 65_535

    /// Parses a `manifest.json`; fields that Icecore does not know are ignored.
    ///
    /// - Parameters:
    ///   - json: the file's bytes.
    ///   - origin: the URL or path that they came from, for error messages.
    ///   - named: the time in the name of the manifest's folder, which tells the unit of `creationTimestamp`.
    /// - Throws: `invalidData` with a sentence that names the field, `unsupported` for a report that says nothing wrong
    ///   but cannot be used: another format, a column that is not there.
    public init(json: [UInt8], origin: String, named: Timestamp? = nil) throws {
        func refuse(
            _ what: String, _ advice: String = InventoryAdvice.otherDate, _ code: IcecoreError.Code = .invalidData
        ) -> IcecoreError {
            IcecoreError(code, "the manifest '\(Display.escaped(origin))' \(what); \(advice)")
        }
        guard json.count <= InventoryManifest.largestJSON else {
            throw refuse("is larger than \(InventoryManifest.largestJSON >> 20) MiB")
        }
        // A value of one or two bytes costs the decoder far more memory than that.
        guard InventoryManifest.structure(json) <= InventoryManifest.mostStructure else {
            throw refuse("has more than \(InventoryManifest.mostStructure) fields")
        }
        let raw: ManifestDocument
        do {
            raw = try UntrustedJSON.decode(ManifestDocument.self, from: json)
        } catch let error as ManifestFieldError {
            throw refuse("has no valid field '\(error.name)': \(error.problem)")
        } catch {
            throw refuse("is not a JSON object as S3 Inventory writes it", InventoryAdvice.fetchAgain)
        }

        guard let format = InventoryFormat(fileFormat: raw.fileFormat) else {
            throw refuse(
                "has the unknown fileFormat '\(Display.escaped(raw.fileFormat))'; CSV, Parquet and ORC can be read",
                InventoryAdvice.otherDate, .unsupported)
        }
        guard InventoryManifest.isBucketName(raw.sourceBucket) else {
            throw refuse("names the sourceBucket '\(Display.escaped(raw.sourceBucket))', which is not a bucket name")
        }
        if let destination = raw.destinationBucket {
            // arn:aws:s3:::name; the partition differs between aws, aws-cn and aws-us-gov.
            let name =
                destination.hasPrefix("arn:")
                ? destination.split(separator: ":", omittingEmptySubsequences: false).last.map(String.init) ?? ""
                : destination
            guard InventoryManifest.isBucketName(name) else {
                throw refuse(
                    "names the destinationBucket '\(Display.escaped(destination))', which is not a bucket name or ARN")
            }
            destinationBucket = name
        } else {
            destinationBucket = nil
        }
        created = try InventoryManifest.created(raw.creationTimestamp, named: named) {
            refuse($0, InventoryAdvice.otherDate, .unsupported)
        }
        sourceBucket = raw.sourceBucket
        version = raw.version
        self.format = format
        columns = try InventoryManifest.columns(of: raw.fileSchema, format) { refuse($0, $1, .unsupported) }
        files = try InventoryManifest.files(raw.files) { refuse($0, InventoryAdvice.otherDate) }
        self.origin = origin
    }

    /// The same, but that its list files have these columns.
    func with(columns: [InventoryColumn?]) -> InventoryManifest {
        var other = self
        other.columns = columns
        return other
    }

    /// How many characters could precede a value.
    private static func structure(_ json: [UInt8]) -> Int {
        json.withUnsafeBytes { bytes in
            var count = 0
            for byte in bytes
            where byte == UInt8(ascii: ",") || byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") { count += 1 }
            return count
        }
    }

    private static func files(
        _ raw: [ManifestDocument.FileEntry], refuse: (String) -> IcecoreError
    ) throws(IcecoreError) -> [ListFile] {
        guard raw.count <= mostFiles else {
            throw refuse("names more than \(mostFiles) list files")
        }
        var files: [ListFile] = []
        files.reserveCapacity(raw.count)
        var keys: Set<String> = []
        for file in raw {
            guard !file.key.isEmpty, file.key.utf8.count <= longestKey else {
                throw refuse("names a list file without a key of plausible length")
            }
            guard keys.insert(file.key).inserted else {
                throw refuse("names the list file '\(Display.escaped(file.key))' twice")
            }
            if let size = file.size, !(0...largestFile).contains(size) {
                throw refuse("gives the list file '\(Display.escaped(file.key))' the impossible size \(size)")
            }
            guard file.md5.utf8.count == 32, let md5 = Hex.decode(file.md5.utf8) else {
                throw refuse(
                    "gives the list file '\(Display.escaped(file.key))' no MD5checksum of 32 hexadecimal digits")
            }
            files.append(ListFile(key: file.key, size: file.size, md5: md5))
        }
        return files
    }

    /// Checks a `manifest.json` against its `manifest.checksum`, an MD5 in hexadecimal digits.
    ///
    /// - Throws: `invalidData` if they differ, or the checksum is not of that form.
    public static func check(json: [UInt8], checksum: [UInt8], origin: String) throws {
        let isBlank: (UInt8) -> Bool = { $0 == 32 || (9...13).contains($0) }
        // White space is only trimmed from a text of plausible length.
        let digits = checksum.count <= 1024 ? checksum.drop(while: isBlank).reversed().drop(while: isBlank) : []
        guard digits.count == 32, let expected = Hex.decode(Array(digits.reversed())) else {
            throw IcecoreError(
                .invalidData,
                "the manifest.checksum of '\(Display.escaped(origin))' is not an MD5 of 32 hexadecimal digits; "
                    + InventoryAdvice.fetchAgain)
        }
        let found = MD5.digest(json)
        guard found == expected else {
            throw IcecoreError(
                .invalidData,
                "the manifest '\(Display.escaped(origin))' is damaged: its MD5 is \(Hex.encode(found)), but manifest.checksum "
                    + "says \(Hex.encode(expected)); \(InventoryAdvice.fetchAgain)")
        }
    }

    /// Letters, digits, `.`, `-` and `_`: what S3 and its imitations allow in a bucket's name. Never `.` or `..`.
    private static func isBucketName(_ name: String) -> Bool {
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
}
