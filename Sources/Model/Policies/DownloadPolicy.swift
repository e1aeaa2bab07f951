import Basics

/// Which of the listed keys a sync downloads. The index holds every key regardless.
public struct DownloadPolicy: Sendable {
    /// Nothing.
    public let metadataOnly: Bool
    /// Only keys in which this regular expression matches somewhere; nil: all.
    public let filter: String?
    /// The same, set for the whole store at `init`.
    public let permanentFilter: String?
    /// Each version is fetched separately, even if others share its ETag.
    public var distrustsETags = false
    /// Archived contents are requested too: some may have been restored.
    public var fetchesArchived = false
    /// Whose headers are asked for.
    public var headers = HeaderPolicy.fetched
    // Regex is immutable; the library just does not mark it Sendable.
    private nonisolated(unsafe) let expressions: [Regex<AnyRegexOutput>]

    /// - Throws: `usage` for an invalid regular expression.
    public init(metadataOnly: Bool, filter: String?, permanentFilter: String?) throws {
        self.metadataOnly = metadataOnly
        self.filter = filter
        self.permanentFilter = permanentFilter
        expressions = try [filter, permanentFilter].compactMap { $0 }.map { try DownloadPolicy.expression($0) }
    }

    /// Compiles a filter.
    public static func expression(_ text: String) throws -> Regex<AnyRegexOutput> {
        do {
            // By default, a regular expression of Swift sees what a reader calls a character: in 'dir/\u{301}x' it finds no
            // '/', and it takes an accented letter for its other spelling, which is another key.
            return try Regex(text).matchingSemantics(.unicodeScalar).wordBoundaryKind(.simple)
        } catch {
            throw IcecoreError(.usage, "the filter '\(text)' is not a regular expression: \(error)")
        }
    }

    /// Whether to request the blob of an object with this key.
    public func asks(_ key: @autoclosure () -> [UInt8]) -> Bool {
        if metadataOnly { return false }
        if expressions.isEmpty { return true }
        let text = String(decoding: key(), as: UTF8.self)
        return expressions.allSatisfy { (try? $0.firstMatch(in: text)) != nil }
    }
}
