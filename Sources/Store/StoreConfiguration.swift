import Basics
import Foundation
import Model

/// `icecore.json`: what a store is, readable without SQLite. Unknown fields are ignored, and lost when it is rewritten.
public struct StoreConfiguration: Codable, Sendable, Equatable {
    /// The format that this program gives to a store. Stores of the formats 1 and 2 are read as they are, and brought to it
    /// by the first command that writes to their index.
    public static let currentFormat = 3
    /// That of a store with packs.
    public static let packFormat = 4
    /// That of a store with its contents in an object store, and the newest that this program reads.
    public static let objectStoreFormat = 5

    /// What the bucket's ETags say.
    public enum ETagMeaning: String, Codable, Sendable {
        /// Nothing of the bytes, whatever they look like.
        case opaque
    }

    public var format: Int
    /// Identifies the store, wherever it is moved or copied.
    public var storeId: String
    /// A bucket's name, or the ARN of an access point.
    public var bucket: String
    /// What the inventories call the bucket; nil if that is `bucket`.
    public var sourceBucket: String?
    /// `s3://bucket/prefix/` or `file:///directory/`; nil if the store only reads what it has.
    public var inventory: String?
    /// Without an inventory, a sync lists the bucket.
    public var lists: Bool?
    public var region: String?
    public var endpointURL: String?
    /// Where requests name the bucket: `path` or `virtual`; nil for what suits the server.
    public var addressing: String?
    public var profile: String?
    public var noSignRequest: Bool?
    public var requesterPays: Bool?
    /// A regular expression: only keys that match it are downloaded.
    public var filter: String?
    /// Whose headers are asked for; nil: those of all versions.
    public var headers: HeaderPolicy?
    /// How many of the newest inventories the store keeps; nil for all.
    public var keepInventories: Int?
    /// Contents with fewer bytes than this go into packs; nil: none do.
    public var packBelow: Int64?
    /// Since when each version is fetched separately (RFC 3339); nil if contents are shared by ETag.
    public var distrustETagsSince: String?
    /// What ETags say; nil: what S3's do.
    public private(set) var etags: ETagMeaning?
    /// Since when the store has inventories without ETags (RFC 3339), and no others; nil if ETags are known.
    public var etagsUnknownSince: String?
    public var createdAt: String
    /// Where the contents are; nil: in the store itself.
    public private(set) var objectStore: ObjectStore?

    public init(bucket: String, inventory: String?) {
        format = StoreConfiguration.currentFormat
        storeId = UUID().uuidString.lowercased()
        self.bucket = bucket
        self.inventory = inventory
        createdAt = Timestamp(milliseconds: Timestamp.now().milliseconds / 1000 * 1000).rfc3339
    }

    /// The most that ``packBelow`` may be: as much as a pack usually has. A content that goes into a pack is in memory.
    public static let mostPackBelow: Int64 = 64 << 20

    /// Has contents with fewer bytes go into packs, which only a store of a format with packs can have; 0: none do.
    public mutating func pack(below size: Int64) {
        packBelow = size > 0 ? size : nil
        if size > 0 { format = max(format, StoreConfiguration.packFormat) }
    }

    /// Has all contents in an object store.
    public mutating func keepContents(in place: ObjectStore) {
        objectStore = place
        format = StoreConfiguration.objectStoreFormat
    }

    /// The same as that of a store with its contents on its own disk: what a replica has, and a clone becomes.
    public func withoutObjectStore() -> StoreConfiguration {
        guard objectStore != nil else { return self }
        var configuration = self
        configuration.objectStore = nil
        configuration.format = StoreConfiguration.packFormat
        return configuration
    }

    /// Contents with fewer bytes than this go into packs; 0: none do.
    public var packLimit: Int64 {
        format < StoreConfiguration.packFormat ? 0 : packBelow ?? 0
    }

    /// The bucket that the inventories list.
    public var listedBucket: String { sourceBucket ?? bucket }

    /// Reads the configuration of a store.
    ///
    /// - Throws: `unsupported` for a newer format, `damaged` for anything that is not a configuration.
    public init(path: String) throws {
        struct Format: Decodable {
            var format: Int
        }
        let data = try Files.read(path, limit: 1 << 20)
        let document: Format
        do {
            document = try UntrustedJSON.decode(Format.self, from: data)
        } catch {
            throw IcecoreError(.damaged, "'\(path)' is not the configuration of a store: restore it from a copy")
        }
        if document.format > StoreConfiguration.objectStoreFormat {
            throw IcecoreError(
                .unsupported,
                "'\(path)': the store has format \(document.format), but this icecore reads formats up to "
                    + "\(StoreConfiguration.objectStoreFormat): install a newer icecore")
        }
        do {
            self = try UntrustedJSON.decode(StoreConfiguration.self, from: data)
        } catch {
            throw IcecoreError(.damaged, "'\(path)' is not a complete store configuration (\(error))")
        }
    }

    /// Writes the configuration atomically and durably.
    public func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try Files.replace(path, with: Array(try encoder.encode(self)) + [UInt8(ascii: "\n")])
    }

    /// Whether the store has inventories with ETags, or inventories without.
    public mutating func setETags(areKnown: Bool) {
        etagsUnknownSince = areKnown ? nil : Timestamp.now().rfc3339
    }

    /// Fetches each version separately from now on.
    public mutating func distrustETags() {
        guard distrustETagsSince == nil else { return }
        distrustETagsSince = Timestamp.now().rfc3339
    }

    /// Takes ETags for what they are at this bucket's server, from now on.
    public mutating func take(etags meaning: ETagMeaning) {
        etags = meaning
    }

    /// Takes over what another configuration says of ETags: that of a store whose index this one now has.
    mutating func takeETagSettings(of other: StoreConfiguration) {
        distrustETagsSince = distrustETagsSince ?? other.distrustETagsSince
        etagsUnknownSince = other.etagsUnknownSince
        etags = etags ?? other.etags
        format = max(format, other.format)
    }
}
