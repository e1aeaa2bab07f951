import Basics
import Glibc

/// The names that components of keys have in a mount: injective, and reversible (through the index if a name had to be
/// hashed). Pure functions on bytes; the rules are in docs/SEMANTICS-mount.md.
public enum Naming {
    /// What a name in a mount stands for.
    public enum Meaning: Hashable, Sendable {
        case component([UInt8])
        /// A component that cannot be a file name, by the SHA-256 of its bytes.
        case long(sha256: [UInt8])
        /// The object whose key is the path of the directory containing the name.
        case object
    }

    /// The maximum length of a file name on Linux, in bytes.
    public static let limit = 255

    static let reserved = Array(".icecore-".utf8)
    static let escape = Array(".icecore-esc-".utf8)
    package static let long = Array(".icecore-long-".utf8)
    package static let object = Array(".icecore-object".utf8)
    private static let empty = Array(".icecore-empty".utf8)
    private static let dot = Array(".icecore-dot".utf8)
    private static let dotdot = Array(".icecore-dotdot".utf8)

    /// Whether a component serves as its own file name: nearly always.
    @inline(__always)
    package static func isPlain(_ component: UnsafeRawBufferPointer) -> Bool {
        guard let start = component.baseAddress, (1...limit).contains(component.count) else { return false }
        if component[0] == UInt8(ascii: ".") {
            if component.count == 1 || component[1] == UInt8(ascii: ".") && component.count == 2 { return false }
            if component.hasPrefix(reserved) { return false }
        }
        return memchr(start, 0, component.count) == nil
    }

    /// The name of a component in a view.
    public static func fileName(_ component: [UInt8]) -> [UInt8] {
        if component.withUnsafeBytes(isPlain) { return component }
        switch component {
        case []: return empty
        case [UInt8(ascii: ".")]: return dot
        case [UInt8(ascii: "."), UInt8(ascii: ".")]: return dotdot
        default:
            let name = component.starts(with: reserved) ? escape + component.dropFirst(reserved.count) : component
            return fitting(component, name)
        }
    }

    /// What a name in a view stands for; nil if no component maps to it.
    public static func meaning(_ name: [UInt8]) -> Meaning? {
        if name.withUnsafeBytes(isPlain) { return .component(name) }
        switch name {
        case empty: return .component([])
        case dot: return .component([UInt8(ascii: ".")])
        case dotdot: return .component([UInt8(ascii: "."), UInt8(ascii: ".")])
        case object: return .object
        default: break
        }
        guard name.count <= limit, !name.contains(0) else { return nil }
        if name.starts(with: long) { return digest(name) }
        return name.starts(with: escape) ? .component(reserved + name.dropFirst(escape.count)) : nil
    }

    // MARK: Under versions/

    /// The name of a component of a key's path under `versions/`, where the versions of `a` sit beside the contents of
    /// `a/`: anything that looks like a version's name, `<RFC 3339 time>_…`, is escaped, too.
    public static func versionsName(_ component: [UInt8]) -> [UInt8] {
        if beginsWithTime(component[...]) { return fitting(component, escape + component) }
        if looksEscaped(component) {
            return fitting(component, escape + escapeAgain + component.dropFirst(reserved.count))
        }
        return fileName(component)
    }

    /// What a directory's name under `versions/` stands for; nil if no component maps to it.
    public static func versionsMeaning(_ name: [UInt8]) -> Meaning? {
        if beginsWithTime(name[...]) || name == object { return nil }
        guard name.count <= limit, name.starts(with: escape) else { return meaning(name) }
        let rest = Array(name.dropFirst(escape.count))
        if beginsWithTime(rest[...]) { return .component(rest) }
        let component = reserved + rest
        guard looksEscaped(component) else { return meaning(name) }
        return .component(reserved + rest.dropFirst(escapeAgain.count))
    }

    /// Whether a name has the form of a version's: `<RFC 3339 time>_…`.
    package static func beginsWithTime(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard let first = bytes.first, (48...57).contains(first), let end = bytes.firstIndex(of: UInt8(ascii: "_"))
        else { return false }
        return bytes[..<end].withUnsafeBytes { Timestamp(rfc3339: $0) } != nil
    }

    /// `.icecore-`, any number of `esc-`, then what looks like a version's name. If it were escaped like other reserved
    /// components, `T_x` and `.icecore-T_x` would have the same name.
    private static func looksEscaped(_ component: [UInt8]) -> Bool {
        guard component.starts(with: reserved) else { return false }
        var rest = component[reserved.count...]
        while rest.starts(with: escapeAgain) { rest = rest.dropFirst(escapeAgain.count) }
        return beginsWithTime(rest)
    }

    private static let escapeAgain = Array("esc-".utf8)

    // MARK: Versions' own names

    /// What determines the name of a version of a key.
    public struct VersionFacts: Hashable, Sendable {
        public var lastModified: Timestamp
        /// nil: unknown.
        public var versionId: [UInt8]?
        /// nil: a delete marker.
        public var etag: [UInt8]?

        public init(lastModified: Timestamp, versionId: [UInt8]?, etag: [UInt8]?) {
            self.lastModified = lastModified
            self.versionId = versionId
            self.etag = etag
        }
    }

    /// The names of all versions of one key: `<lastModified>_<versionId>`, with nothing after the `_` for an unknown
    /// id.
    ///
    /// If several have the same time and id (a null version overwritten within a second), objects get the suffix
    /// `_<ETag>` and a delete marker `_marker`. Names that a file cannot have are hashed as a whole.
    public static func names(of versions: [VersionFacts]) -> [[UInt8]] {
        struct Moment: Hashable {
            var lastModified: Timestamp
            var versionId: [UInt8]?
        }
        var objects: [Moment: Int] = [:]
        for version in versions where version.etag != nil {
            objects[Moment(lastModified: version.lastModified, versionId: version.versionId), default: 0] += 1
        }
        return versions.map { version in
            var name = Array(version.lastModified.rfc3339.utf8) + [UInt8(ascii: "_")] + (version.versionId ?? [])
            let tied = objects[Moment(lastModified: version.lastModified, versionId: version.versionId)] ?? 0
            if let etag = version.etag {
                if tied > 1 { name += [UInt8(ascii: "_")] + etag }
            } else if tied > 0 {
                name += Array("_marker".utf8)
            }
            let isPossible = name.count <= limit && !name.contains(0) && !name.contains(UInt8(ascii: "/"))
            return isPossible ? name : hashed(name)
        }
    }

    // MARK: Pieces

    private static func fitting(_ component: [UInt8], _ name: [UInt8]) -> [UInt8] {
        component.count <= limit && name.count <= limit && !component.contains(0) ? name : hashed(component)
    }

    private static func hashed(_ bytes: [UInt8]) -> [UInt8] {
        long + Array(Hex.encode(SHA256.digest(bytes)).utf8)
    }

    private static func digest(_ name: [UInt8]) -> Meaning? {
        let digits = name.dropFirst(long.count)
        guard digits.count == 64, !digits.contains(where: { (65...70).contains($0) }), let sha256 = Hex.decode(digits)
        else { return nil }
        return .long(sha256: sha256)
    }
}
