import Basics
import Download
import Inventory
import S3
import Store

/// What a look at the inventory and the credentials has found, before there is a store.
public struct InitialFindings: Sendable {
    /// How requests will be signed.
    public enum Signing: Sendable {
        /// Not at all, as was asked for.
        case unsigned
        /// By credentials; `origin` says where they are from.
        case signed(origin: String)
        /// Not at all, as there are no credentials.
        case nothingFound
        /// Looking for credentials failed.
        case failed(IcecoreError)
        /// There was no time to find out.
        case unknown
    }

    /// What is known of the newest inventory.
    public enum NewestInventory: Sendable {
        /// The store gets no inventory.
        case none
        /// There is no dated folder yet.
        case notThereYet
        /// It was not looked at, because nobody knows how to sign the requests.
        case notLookedAt
        /// It could not be looked at.
        case unreachable(IcecoreError)
        /// A date is there, but its inventory is damaged or not complete.
        case unusable(name: String, IcecoreError)
        case found(InventoryFacts)
    }

    /// Which reports are configured for the bucket.
    public enum ConfiguredReports: Sendable {
        /// Nobody asked: an inventory was named, or the bucket is to be listed.
        case notAskedFor
        /// The server does not say.
        case unknown(IcecoreError?)
        case found([S3InventoryReport])
    }

    public internal(set) var signing = Signing.unknown
    public internal(set) var reports = ConfiguredReports.notAskedFor
    public internal(set) var inventory = NewestInventory.none
    /// Why the bucket itself cannot be read, if one request tells; a bucket that does not exist is no finding but an error.
    public internal(set) var bucketTrouble: IcecoreError?
}

extension S3InventoryReport {
    /// Why a store cannot be kept by it, as the end of a sentence; nil if it can.
    public var obstacle: String? {
        if !isEnabled { return "is disabled" }
        if !keyPrefix.isEmpty { return "is of keys that begin with '\(Display.text(keyPrefix, limit: 200))' only" }
        guard InventoryFormat(fileFormat: format) != nil else {
            return "is in the format '\(Display.text(format, limit: 40))', and only CSV, Parquet and ORC can be read"
        }
        let missing = ["ETag", "Size", "LastModifiedDate"].filter { !fields.contains($0) }
        return missing.isEmpty
            ? nil : "lacks the field\(missing.count == 1 ? "" : "s") \(missing.joined(separator: ", "))"
    }
}

/// The newest inventory, judging by its manifest and its first rows.
public struct InventoryFacts: Sendable {
    public let name: String
    public let format: InventoryFormat
    /// How many dates there are.
    public let dates: Int
    /// List files, and their compressed bytes if the manifest says so for each.
    public let files: Int
    public let compressedBytes: Int64?
    /// Columns that Icecore would use, in the order of their declaration.
    public let missing: [InventoryColumn]
    /// Nil: there was no time for it, or it could not be read.
    public internal(set) var sample: InventorySample?
    public internal(set) var sampleFailure: IcecoreError?
    /// How many of the sampled objects are so large that they arrive in pieces.
    var largeInSample: Int { sample?.sizes.lazy.filter { $0 >= ChunkLimits().threshold }.count ?? 0 }

    init(_ name: String, dates: Int, _ manifest: InventoryManifest) {
        self.name = name
        format = manifest.format
        self.dates = dates
        files = manifest.files.count
        let sizes = manifest.files.compactMap(\.size)
        compressedBytes = sizes.count == files ? sizes.reduce(0) { $0.addingClamped($1) } : nil
        missing = InventoryColumn.allCases.filter { !manifest.columns.contains($0) }
    }

    /// What a sync puts on the disk besides contents: the store's own files, its copy of the inventory, and the records of
    /// contents that arrive in pieces.
    public var overhead: (files: Int64, bytes: Int64) {
        (Int64(StoreSite.ownFiles + files + min(largeInSample, 64)), compressedBytes ?? 0)
    }

    /// An estimate of what the inventory lists; nil if nothing is known.
    public var estimate: InventoryEstimate? {
        if files == 0 { return InventoryEstimate(rows: 0, sizes: [], isExact: true, factor: 1) }
        guard let sample, sample.rows > 0, sample.compressedBytes > 0, let compressedBytes else { return nil }
        let isExact = files == 1 && Int64(sample.compressedBytes) >= compressedBytes && sample.failure == nil
        let factor = isExact ? 1 : Double(compressedBytes) / Double(sample.compressedBytes)
        return InventoryEstimate(rows: sample.rows, sizes: sample.sizes, isExact: isExact, factor: factor)
    }
}

/// How much an inventory lists, extrapolated from its first rows. Contents that several rows share count for each.
public struct InventoryEstimate: Sendable {
    /// All of the inventory was read.
    public let isExact: Bool
    public let rows: Int64
    private let sizes: [Int64]
    private let factor: Double

    init(rows: Int, sizes: [Int64], isExact: Bool, factor: Double) {
        self.isExact = isExact
        self.sizes = sizes
        self.factor = factor
        self.rows = InventoryEstimate.clamped(Double(rows) * factor)
    }

    private static func clamped(_ value: Double) -> Int64 {
        value < 0x1p62 ? Int64(value.rounded()) : .max
    }

    /// What all of it would need of a disk.
    ///
    /// - Parameter unit: what the size of a file is rounded up to there.
    public func need(unit: Int64) -> DiskNeed {
        var need = DiskNeed(unit: unit)
        for size in sizes { need.add(size: size) }
        return need.scaled(by: factor)
    }
}
