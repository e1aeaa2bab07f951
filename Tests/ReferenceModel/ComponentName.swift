import Basics

/// The names that the components of a key have in a mount: section "names" of docs/SEMANTICS-mount.md.
public enum ComponentName {
    /// What a name in a mount stands for.
    public enum Decoded: Hashable, Sendable {
        case component(ByteString)
        /// A component that only the index knows: the SHA-256 of its bytes, in hexadecimal digits.
        case hashed(ByteString)
        /// The object whose key is the path of the directory that the name stands in.
        case object
    }

    /// The most bytes that a name may have on Linux.
    public static let limit = 255

    /// The name of an object in the directory of the same name.
    public static let object: ByteString = ".icecore-object"

    private static let reserved: ByteString = ".icecore-"
    private static let escaped: ByteString = ".icecore-esc-"
    private static let long: ByteString = ".icecore-long-"

    /// The name of a component in a view.
    public static func encode(_ component: ByteString) -> ByteString {
        switch component {
        case "": return ".icecore-empty"
        case ".": return ".icecore-dot"
        case "..": return ".icecore-dotdot"
        default: return fit(component, escape(component))
        }
    }

    /// What a name in a view stands for; nil for a name that no component has.
    public static func decode(_ name: ByteString) -> Decoded? {
        switch name {
        case "", ".", "..": return nil
        case ".icecore-empty": return .component("")
        case ".icecore-dot": return .component(".")
        case ".icecore-dotdot": return .component("..")
        case object: return .object
        default: break
        }
        guard name.count <= limit, !name.bytes.contains(0), !name.bytes.contains(UInt8(ascii: "/")) else { return nil }
        if name.hasPrefix(long) { return digest(name) }
        if name.hasPrefix(escaped) { return .component(unescape(name)) }
        return name.hasPrefix(reserved) ? nil : .component(name)
    }

    // MARK: Under versions/

    /// The name of a component of a key's path under `versions/`, where the versions of `a` stand beside what is below
    /// `a/`: what looks like a version's name is escaped too.
    ///
    /// A component that would look like one behind `.icecore-` or `.icecore-esc-` is escaped once more, since otherwise
    /// `T_x` and `.icecore-T_x` would have one name.
    public static func encodeUnderVersions(_ component: ByteString) -> ByteString {
        if beginsWithTime(component) { return fit(component, escaped + component) }
        if looksEscaped(component) { return fit(component, escaped + "esc-" + component.dropping(reserved)) }
        return encode(component)
    }

    /// What a directory's name under `versions/` stands for; nil for a name that no component has.
    public static func decodeUnderVersions(_ name: ByteString) -> Decoded? {
        if beginsWithTime(name) || name == object { return nil }
        guard name.count <= limit, name.hasPrefix(escaped) else { return decode(name) }
        let rest = name.dropping(escaped)
        if beginsWithTime(rest) { return .component(rest) }
        let component = unescape(name)
        guard looksEscaped(component) else { return decode(name) }
        return .component(unescape(component))
    }

    /// The name of a version's file under `versions/`; `<lastModified>_<versionId>`, nothing for an id that is unknown.
    public static func versionFile(_ version: Version) -> ByteString {
        versionFile(ByteString("\(version.lastModified.rfc3339)_") + (version.id.bytes ?? ""))
    }

    /// As it is where a file can have the name, else its hash.
    static func versionFile(_ name: ByteString) -> ByteString {
        let isPossible = name.count <= limit && !name.bytes.contains(0) && !name.bytes.contains(UInt8(ascii: "/"))
        return isPossible ? name : hash(name)
    }

    // MARK: The pieces

    private static func escape(_ component: ByteString) -> ByteString {
        component.hasPrefix(reserved) ? escaped + component.dropping(reserved) : component
    }

    private static func unescape(_ name: ByteString) -> ByteString {
        reserved + name.dropping(escaped)
    }

    /// The name, or where a file cannot have the component or its name as name, the component's hash.
    private static func fit(_ component: ByteString, _ name: ByteString) -> ByteString {
        let isPossible = component.count <= limit && name.count <= limit && !component.bytes.contains(0)
        return isPossible ? name : hash(component)
    }

    private static func hash(_ text: ByteString) -> ByteString {
        long + ByteString(Hex.encode(SHA256.digest(text.bytes)))
    }

    private static func digest(_ name: ByteString) -> Decoded? {
        let digits = name.dropping(long)
        let hexadecimal = Set("0123456789abcdef".utf8)
        return digits.count == 64 && digits.bytes.allSatisfy(hexadecimal.contains) ? .hashed(digits) : nil
    }

    /// Whether the bytes begin with an RFC 3339 time and `_`.
    private static func beginsWithTime(_ bytes: ByteString) -> Bool {
        guard let end = bytes.bytes.firstIndex(of: UInt8(ascii: "_")) else { return false }
        return bytes.bytes[..<end].withUnsafeBytes { Timestamp(rfc3339: $0) } != nil
    }

    /// `.icecore-`, any number of `esc-`, then what looks like a version's name.
    private static func looksEscaped(_ component: ByteString) -> Bool {
        guard component.hasPrefix(reserved) else { return false }
        var rest = component.dropping(reserved)
        while rest.hasPrefix("esc-") { rest = rest.dropping("esc-") }
        return beginsWithTime(rest)
    }
}

extension ByteString {
    /// The bytes after a prefix that they have.
    func dropping(_ prefix: ByteString) -> ByteString {
        ByteString(Array(bytes.dropFirst(prefix.count)))
    }
}
