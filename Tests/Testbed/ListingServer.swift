import Foundation

/// A server that lists one made-up bucket, as well or as badly as it is told: see `servers/listing.py`.
public final class ListingServer: S3Server, @unchecked Sendable {
    public struct Answers: Decodable, Sendable {
        /// Answers to each call.
        public var versions: Int
        public var objects: Int
        public var oldObjects: Int
        /// Requests that were refused.
        public var refused: Int
        /// The most requests that were there at the same time.
        public var most: Int

        public var pages: Int { versions + objects + oldObjects }
    }

    public init() throws {
        try super.init(script: "listing.py")
    }

    /// What the bucket has, newest first for each key.
    public func serve(_ versions: [S3Admin.ServedVersion]) throws {
        let rows = try JSONSerialization.jsonObject(with: JSONEncoder().encode(versions))
        _ = try conversation.ask(["versions": rows])
    }

    /// Serves so many keys with one version each.
    public func generate(_ count: Int, shape: String) throws {
        _ = try conversation.ask(["generate": count, "shape": shape])
    }

    /// Replaces the quirks, and forgets counts.
    public func set(_ quirks: [String: Any]) throws {
        _ = try conversation.ask(["quirks": quirks])
    }

    public func statistics() throws -> Answers {
        let answer = try conversation.ask(["statistics": true])
        return try JSONDecoder().decode(
            Answers.self, from: JSONSerialization.data(withJSONObject: answer["statistics"] ?? [:]))
    }
}
