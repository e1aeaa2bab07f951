import Basics
import Foundation

/// `icecore.json`: what a store is, readable without SQLite. Unknown fields are ignored, and lost when it is rewritten.
public struct StoreConfiguration: Codable, Sendable, Equatable {
    /// The format of a new store. A store that distrusts ETags or does not know them has a later one, so that a
    /// program unaware of that cannot mistake one content for another.
    public static let currentFormat = 1
    /// The newest format that this program reads.
    public static let newestFormat = 2

    public var format: Int
    /// Identifies the store, wherever it is moved or copied.
    public var storeId: String
    /// A bucket's name, or the ARN of an access point.
    public var bucket: String
    /// What the inventories call the bucket; nil if that is `bucket`.
    public var sourceBucket: String?
    /// `s3://bucket/prefix/` or `file:///directory/`; nil if the store only reads what it has.
    public var inventory: String?
    public var region: String?
    public var endpointURL: String?
    /// Where requests name the bucket: `path` or `virtual`; nil for what suits the server.
    public var addressing: String?
    public var profile: String?
    public var noSignRequest: Bool?
    public var requesterPays: Bool?
    /// A regular expression: only keys that match it are downloaded.
    public var filter: String?
    /// How many of the newest inventories the store keeps; nil for all.
    public var keepInventories: Int?
    /// Since when each version is fetched separately (RFC 3339); nil if contents are shared by ETag.
    public var distrustETagsSince: String?
    /// Since when the store has inventories without ETags (RFC 3339), and no others; nil if ETags are known.
    public var etagsUnknownSince: String?
    public var createdAt: String

    public init(bucket: String, inventory: String?) {
        format = StoreConfiguration.currentFormat
        storeId = UUID().uuidString.lowercased()
        self.bucket = bucket
        self.inventory = inventory
        createdAt = Timestamp(milliseconds: Timestamp.now().milliseconds / 1000 * 1000).rfc3339
    }

    /// The bucket that the inventories list.
    public var listedBucket: String { sourceBucket ?? bucket }

    /// Reads the configuration of a store.
    ///
    /// - Throws: `unsupported` for a newer format, `damaged` for anything that is not a configuration.
    public init(path: String) throws {
        struct Format: Decodable {
            var format: Int
            var distrustETagsSince: String?
            var etagsUnknownSince: String?
        }
        let data = try Files.read(path, limit: 1 << 20)
        let format: Int
        let isLater: Bool
        do {
            let document = try UntrustedJSON.decode(Format.self, from: data)
            format = document.format
            isLater = document.distrustETagsSince != nil || document.etagsUnknownSince != nil
        } catch {
            throw IcecoreError(.damaged, "'\(path)' is not the configuration of a store: restore it from a copy")
        }
        // Only stores that distrust ETags or do not know them have format 2.
        let newest = isLater ? StoreConfiguration.newestFormat : StoreConfiguration.currentFormat
        if format > newest {
            throw IcecoreError(
                .unsupported,
                "'\(path)': the store has format \(format), but this icecore reads formats up to \(newest): install a "
                    + "newer icecore")
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
        format = areKnown && distrustETagsSince == nil ? StoreConfiguration.currentFormat : max(format, 2)
    }

    /// Fetches each version separately from now on.
    public mutating func distrustETags() {
        guard distrustETagsSince == nil else { return }
        distrustETagsSince = Timestamp.now().rfc3339
        format = max(format, 2)
    }
}
