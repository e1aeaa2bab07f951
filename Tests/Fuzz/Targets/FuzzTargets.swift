import Basics
import Gateway
import Inventory
import Model
import S3
import Store

/// What is tried with bytes that nobody vouches for. Each takes any bytes; whatever comes of them, the program does not
/// stop, throws nothing but an ``IcecoreError``, and holds to what the comments below say.
public enum FuzzTarget: String, CaseIterable, Sendable {
    /// The text of a list file. The first byte chooses the columns, the second the length of pieces.
    case list
    /// `manifest.json`.
    case manifest
    /// What S3 answers: errors, listings, credentials of a role.
    case xml
    /// A page of a listing by version or by object.
    case page
    /// `~/.aws/config`, and the JSON of a `credential_process`.
    case credentials
    /// How people name a view, and durations.
    case when
    /// A list file in ORC.
    case orc
    /// A list file in Parquet.
    case parquet
    /// A pack, or a catalogue of packs.
    case pack
    /// A request to the server: a line with the method and the target, a line for each header.
    case request

    /// Tries some bytes.
    public func run(_ bytes: [UInt8]) {
        switch self {
        case .list: FuzzTarget.list(bytes)
        case .manifest: FuzzTarget.manifest(bytes)
        case .xml: FuzzTarget.xml(bytes)
        case .page: FuzzTarget.page(bytes)
        case .credentials: FuzzTarget.credentials(bytes)
        case .when: FuzzTarget.when(bytes)
        case .orc: FuzzTarget.columnar(bytes, InventoryFuzzEntryPoints.orc)
        case .parquet: FuzzTarget.columnar(bytes, InventoryFuzzEntryPoints.parquet)
        case .pack: FuzzTarget.pack(bytes)
        case .request:
            if let wrong = GatewayFuzzEntryPoints.request(bytes) { preconditionFailure(wrong) }
        }
    }

    /// The error that came, as text; nil for none. Another kind of error ends the program.
    @discardableResult
    static func attempt(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch let error as IcecoreError {
            precondition(!error.message.isEmpty, "an error without a sentence")
            precondition(error.message.utf8.count < 20_000, "a sentence that fills the screen")
            return error.message
        } catch {
            fatalError("an error of another kind: \(error)")
        }
    }

    // MARK: - Lists

    private static let schemas = [
        "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass, "
            + "IsMultipartUploaded, EncryptionStatus, IntelligentTieringAccessTier",
        "Bucket, Key, Size, LastModifiedDate, ETag",
        "Size, Unknown, ETag, Bucket, LastModifiedDate, Key, AnotherUnknown",
        "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag",
    ]
    private static let manifests = schemas.map { schema in
        try? InventoryManifest(
            json: Array(
                """
                {"sourceBucket": "bucket", "version": "2016-11-30", "creationTimestamp": "1730854800000",
                "fileFormat": "CSV", "fileSchema": "\(schema)",
                "files": [{"key": "a.csv.gz", "MD5checksum": "00000000000000000000000000000000"}]}
                """.utf8), origin: "fuzz")
    }

    /// However the text is cut into pieces, the same rows come of it, or an error.
    private static func list(_ bytes: [UInt8]) {
        guard bytes.count > 2, let manifest = manifests[Int(bytes[0]) % manifests.count] else { return }
        let text = Array(bytes[2...])
        let isSorted = bytes[0] & 64 != 0
        func rows(_ piece: Int) -> [[UInt8]]? {
            do {
                return try InventoryFuzzEntryPoints.rows(text, manifest: manifest, mustBeSorted: isSorted, piece: piece)
            } catch is UnsortedInventory {
                return nil
            } catch {
                attempt { throw error }
                return nil
            }
        }
        let whole = rows(.max)
        precondition(whole == rows(Int(bytes[1]) + 1), "the rows depend on how the text was cut")
        for row in whole ?? [] { precondition(row.count < 8192, "a row that S3 would not write") }
    }

    // MARK: - Documents

    private static func manifest(_ bytes: [UInt8]) {
        attempt {
            let manifest = try InventoryManifest(json: bytes, origin: "fuzz")
            precondition(!manifest.sourceBucket.isEmpty && !manifest.sourceBucket.contains("/"))
            for file in manifest.files { precondition(file.md5.count == 16 && !file.key.isEmpty) }
            // Whatever the files are called, they are kept under names that stay where they belong.
            for name in KeptInventory.fileNames(manifest) {
                precondition(!name.isEmpty && !name.contains("/") && name != "." && name != "..")
            }
        }
        attempt { try InventoryManifest.check(json: [], checksum: bytes, origin: "fuzz") }
    }

    private static let secret = "hidden/secret"

    private static func xml(_ bytes: [UInt8]) {
        attempt { _ = try S3FuzzEntryPoints.fields(bytes) }
        attempt { _ = try S3FuzzEntryPoints.listing(bytes) }
        attempt { _ = try S3FuzzEntryPoints.token(bytes) }
        let text = S3FuzzEntryPoints.failure(bytes, secrets: [secret])
        precondition(!text.contains(secret), "a secret came back")
        precondition(text.utf8.count < 10_000, "a sentence that fills the screen")
        precondition(text.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 127 }, "a control character")
    }

    private static func credentials(_ bytes: [UInt8]) {
        _ = S3FuzzEntryPoints.profiles(bytes)
        let said = attempt { _ = try S3FuzzEntryPoints.credentials(bytes) }
        // The document is secret: nothing of it may be said.
        if let said { precondition(!said.contains(secret), "a secret came back") }
    }

    // MARK: - Times

    private static func when(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        if let duration = When.duration(text) { precondition(duration >= 0, "a duration before nothing") }
        if let time = Timestamp(rfc3339: text), (0...253_402_300_799_999).contains(time.milliseconds) {
            precondition(Timestamp(rfc3339: time.rfc3339) == time, "a time that cannot be read again")
        }
        _ = Timestamp(http: text)
        let timeline = Timeline([
            Timeline.Point(id: 1, name: "2024-11-06T01-00Z", takenAt: Timestamp(milliseconds: 1_730_854_800_000)),
            Timeline.Point(id: 2, name: "2024-11-07T01-00Z", takenAt: Timestamp(milliseconds: 1_730_941_200_000)),
        ])
        attempt {
            let when = try When(text)
            for now in [Timestamp.distantPast, Timestamp(milliseconds: 1_731_000_000_000), .distantFuture] {
                let view = try when.view(in: timeline, earliest: Timestamp(milliseconds: 0), now: now)
                precondition(view.time <= Timestamp(milliseconds: 1_730_941_200_000), "a view of what is not known yet")
            }
        }
    }
}
