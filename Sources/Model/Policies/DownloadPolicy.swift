import Basics

/// What a sync downloads of the keys that it lists. The index holds every key in any case.
public struct DownloadPolicy: Sendable {
    /// Nothing.
    public let metadataOnly: Bool
    /// Only keys in which this regular expression matches somewhere; nil: all.
    public let filter: String?
    /// The same, given once for the whole store at `init`.
    public let permanentFilter: String?
    /// Every version on its own, whatever others have its ETag.
    public var distrustsETags = false
    // Regex is immutable once made; the library only lacks the word for it.
    private nonisolated(unsafe) let expressions: [Regex<AnyRegexOutput>]

    /// - Throws: `usage` for a regular expression that is none.
    public init(metadataOnly: Bool, filter: String?, permanentFilter: String?) throws {
        self.metadataOnly = metadataOnly
        self.filter = filter
        self.permanentFilter = permanentFilter
        expressions = try [filter, permanentFilter].compactMap { $0 }.map { try DownloadPolicy.expression($0) }
    }

    /// Compiles a filter.
    public static func expression(_ text: String) throws -> Regex<AnyRegexOutput> {
        do {
            return try Regex(text)
        } catch {
            throw IcecoreError(.usage, "the filter '\(text)' is no regular expression: \(error)")
        }
    }

    /// Whether the blob of an object of this key is asked for.
    public func asks(_ key: @autoclosure () -> [UInt8]) -> Bool {
        if metadataOnly { return false }
        if expressions.isEmpty { return true }
        let text = String(decoding: key(), as: UTF8.self)
        return expressions.allSatisfy { (try? $0.firstMatch(in: text)) != nil }
    }
}
