import Basics
import Model

/// What to search for.
public struct KeyQuery: Sendable {
    /// Which keys are asked.
    public enum KeyScope: Sendable {
        /// Those that a view shows.
        case view(View)
        /// All that were ever objects.
        case ever
        /// Of these, those that the latest view does not show.
        case deleted
    }

    public var glob: Glob
    /// What keys begin with.
    public var prefix: [UInt8] = []
    public var scope: KeyScope
    /// Of what is found, only its key, size and date are asked; no version id, no ETag. Of no use but in a view.
    public var isBrief = false
    /// In bytes: only what is larger.
    public var largerThan: Int64?
    /// Only what was modified after this.
    public var newerThan: Timestamp?

    public init(_ glob: Glob, _ scope: KeyScope) {
        self.glob = glob
        self.scope = scope
    }

    /// What the scan begins with: the longer one of the prefix and of what the pattern begins with; nil if no key can
    /// begin with both.
    var start: [UInt8]? {
        let literal = glob.literalPrefix
        if literal.starts(with: prefix) { return literal }
        return prefix.starts(with: literal) ? prefix : nil
    }

    @inline(__always)
    func accepts(size: Int64, lastModified: Timestamp) -> Bool {
        if let largerThan, size <= largerThan { return false }
        if let newerThan, lastModified <= newerThan { return false }
        return true
    }
}
