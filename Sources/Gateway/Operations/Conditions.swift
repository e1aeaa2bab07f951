import Basics
import Model
import Web

/// The conditions of a request, in S3's order: `If-Match` before `If-Unmodified-Since`, `If-None-Match` before
/// `If-Modified-Since`.
struct Conditions {
    enum ConditionVerdict: Equatable {
        case holds
        case notModified
        /// By the name of the header.
        case failed(String)
    }

    let verdict: ConditionVerdict
    /// `If-Range` agrees, or is not there.
    let allowsRange: Bool

    /// - Parameter etag: without quotation marks; nil if it is not known.
    init(_ request: WebRequest, etag: String?, lastModified: Timestamp) {
        verdict = Conditions.verdict(request, etag, lastModified)
        guard let text = request.header("if-range") else {
            allowsRange = true
            return
        }
        if let time = Timestamp(http: text) {
            allowsRange = time.milliseconds / 1000 == lastModified.milliseconds / 1000
        } else {
            allowsRange = Conditions.names(text, etag)
        }
    }

    private static func verdict(_ request: WebRequest, _ etag: String?, _ lastModified: Timestamp) -> ConditionVerdict {
        // HTTP's times are whole seconds.
        let second = lastModified.milliseconds / 1000
        func time(_ name: String) -> Int64? {
            let time = request.header(name).flatMap { Timestamp(http: $0) ?? Timestamp(rfc3339: $0) }
            return time.map { $0.milliseconds / 1000 }
        }
        if let match = request.header("if-match") {
            if !names(match, etag) { return .failed("If-Match") }
        } else if let since = time("if-unmodified-since"), second > since {
            return .failed("If-Unmodified-Since")
        }
        if let match = request.header("if-none-match") {
            if names(match, etag) { return .notModified }
        } else if let since = time("if-modified-since"), second <= since {
            return .notModified
        }
        return .holds
    }

    /// Whether a list of ETags names this one; `*` names all.
    private static func names(_ list: String, _ etag: String?) -> Bool {
        let list = list.trimmingSpaces
        if list == "*" { return true }
        guard let etag else { return false }
        return list.split(separator: ",").contains { item in
            var item = item.trimmingSpaces
            if item.hasPrefix("W/") { item = String(item.dropFirst(2)) }
            if item.utf8.count >= 2, item.hasPrefix("\""), item.hasSuffix("\"") {
                item = String(item.dropFirst().dropLast())
            }
            return item == etag
        }
    }
}

/// The bytes that a request wants: one range.
struct ByteRange {
    private enum Kind {
        case from(Int64)
        case between(Int64, Int64)
        case last(Int64)
    }

    private let kind: Kind

    /// - Returns: nil without a range, and for one that S3 takes no notice of: several, another unit, nonsense.
    init?(_ request: WebRequest) {
        guard let text = request.header("range")?.trimmingSpaces, text.hasPrefix("bytes=") else { return nil }
        let range = text.dropFirst(6).trimmingSpaces
        guard let dash = range.firstIndex(of: "-") else { return nil }
        let first = range[..<dash].trimmingSpaces
        let last = range[range.index(after: dash)...].trimmingSpaces
        if first.isEmpty {
            guard let count = ByteRange.number(last) else { return nil }
            kind = .last(count)
        } else if last.isEmpty {
            guard let start = ByteRange.number(first) else { return nil }
            kind = .from(start)
        } else {
            guard let start = ByteRange.number(first), let end = ByteRange.number(last), start <= end else {
                return nil
            }
            kind = .between(start, end)
        }
    }

    /// Digits alone; what is larger than any object counts as the largest number.
    private static func number(_ text: String) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int64(text) ?? .max
    }

    /// The bytes of a content of a size.
    func range(of size: Int64) throws(S3Refusal) -> Range<Int64> {
        switch kind {
        case .from(let start) where start < size: return start..<size
        case .between(let start, let end) where start < size: return start..<min(size, end == .max ? end : end + 1)
        case .last(let count) where count > 0 && size > 0: return max(0, size - count)..<size
        default:
            throw S3Refusal(
                416, "InvalidRange", "The requested range is not satisfiable",
                details: [("ActualObjectSize", Array(String(size).utf8))],
                headers: [("Content-Range", "bytes */\(size)")])
        }
    }
}

extension StringProtocol {
    /// Without spaces and tabs at both ends.
    var trimmingSpaces: String {
        var rest = Substring(String(self))
        while let first = rest.utf8.first, first == 0x20 || first == 0x09 { rest = rest.dropFirst() }
        while let last = rest.utf8.last, last == 0x20 || last == 0x09 { rest = rest.dropLast() }
        return String(rest)
    }
}
