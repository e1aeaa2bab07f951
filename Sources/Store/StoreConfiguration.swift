import Basics
import Foundation

/// `icecore.json`: what a store is, readable without SQLite. Unknown fields are kept by nobody and hurt nobody.
public struct StoreConfiguration: Codable, Sendable, Equatable {
    /// The format of a new store. A store that distrusts ETags has another, so that no program that knows nothing of
    /// that takes one content for another.
    public static let currentFormat = 1
    /// The newest that this program reads.
    public static let newestFormat = 2

    public var format: Int
    /// Says which store this is, wherever it was moved or copied to.
    public var storeId: String
    public var bucket: String
    /// `s3://bucket/prefix/` or `file:///directory/`; nil: the store only reads what it has.
    public var inventory: String?
    public var region: String?
    public var endpointURL: String?
    public var profile: String?
    public var noSignRequest: Bool?
    public var requesterPays: Bool?
    /// A regular expression: only keys that match it are downloaded.
    public var filter: String?
    /// How many inventories the store keeps, the newest; nil: all.
    public var keepInventories: Int?
    /// Since when every version is fetched on its own (RFC 3339); nil: contents are shared by their ETag.
    public var distrustETagsSince: String?
    public var createdAt: String

    public init(bucket: String, inventory: String?) {
        format = StoreConfiguration.currentFormat
        storeId = UUID().uuidString.lowercased()
        self.bucket = bucket
        self.inventory = inventory
        createdAt = Timestamp(milliseconds: Timestamp.now().milliseconds / 1000 * 1000).rfc3339
    }

    /// Reads the configuration of a store.
    ///
    /// - Throws: `unsupported` for a newer format, `damaged` for anything that is not a configuration.
    public init(path: String) throws {
        struct Format: Decodable {
            var format: Int
            var distrustETagsSince: String?
        }
        let data = try Files.read(path, limit: 1 << 20)
        let format: Int
        let isDistrusting: Bool
        do {
            let document = try UntrustedJSON.decode(Format.self, from: data)
            format = document.format
            isDistrusting = document.distrustETagsSince != nil
        } catch {
            throw IcecoreError(.damaged, "'\(path)' is not the configuration of a store: restore it from a copy")
        }
        // Format 2 is that of stores that distrust ETags, and of no others.
        let newest = isDistrusting ? StoreConfiguration.newestFormat : StoreConfiguration.currentFormat
        if format > newest {
            throw IcecoreError(
                .unsupported,
                "'\(path)': the store has format \(format), this icecore reads formats up to \(newest): install a newer "
                    + "icecore")
        }
        do {
            self = try UntrustedJSON.decode(StoreConfiguration.self, from: data)
        } catch {
            throw IcecoreError(.damaged, "'\(path)' lacks what a store's configuration must have (\(error))")
        }
    }

    /// Writes the configuration, durable, as a whole.
    public func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try Files.replace(path, with: Array(try encoder.encode(self)) + [UInt8(ascii: "\n")])
    }

    /// From now on every version is fetched on its own.
    public mutating func distrustETags() {
        guard distrustETagsSince == nil else { return }
        distrustETagsSince = Timestamp.now().rfc3339
        format = max(format, 2)
    }
}
