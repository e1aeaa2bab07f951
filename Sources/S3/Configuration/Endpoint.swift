import Basics

/// The scheme, host, port and path of an S3 service.
struct Endpoint: Hashable, Sendable {
    /// `http` or `https`.
    let scheme: String
    /// Host and port as in a URL, lower case.
    let authority: String
    /// The path before the bucket: empty, or beginning and not ending with `/`.
    let path: String

    /// Parses `http[s]://host[:port][/path]`. User names, queries and fragments are refused.
    init?(_ text: String) {
        // What was copied often has a blank or a line end behind it.
        let text = text.trimmed
        guard let colon = text.firstRange(of: "://"), text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            return nil
        }
        scheme = text[..<colon.lowerBound].lowercased()
        guard scheme == "http" || scheme == "https" else { return nil }
        let rest = text[colon.upperBound...]
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        authority = rest[..<slash].lowercased()
        guard !authority.isEmpty, authority.utf8.allSatisfy(Endpoint.isHostCharacter), !rest.contains("?"),
            !rest.contains("#"), !rest.contains("%"), !rest.contains("\\"), !rest.contains("\"")
        else { return nil }
        var path = rest[slash...]
        while path.hasSuffix("/") { path.removeLast() }
        self.path = String(path)
    }

    private static func isHostCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
            UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]"):
            true
        default: false
        }
    }

    /// The host without its port.
    var host: String {
        if authority.hasPrefix("[") { return String(authority.prefix { $0 != "]" }.dropFirst()) }
        return String(authority.prefix { $0 != ":" })
    }

    /// The port, by default the scheme's.
    var port: Int {
        let rest = authority.dropFirst(authority.hasPrefix("[") ? host.utf8.count + 2 : host.utf8.count)
        return Int(rest.dropFirst()) ?? (scheme == "https" ? 443 : 80)
    }

    var description: String { "\(scheme)://\(authority)\(path)" }

    /// Whether the host is an IP address, below which there are no other hosts.
    var isAddress: Bool {
        authority.hasPrefix("[") || host.utf8.allSatisfy { $0 == UInt8(ascii: ".") || ($0 >= 48 && $0 <= 57) }
    }
}
