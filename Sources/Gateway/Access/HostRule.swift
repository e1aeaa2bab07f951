import Basics
import Glibc
import Web

/// Which hosts are answered. A page of a stranger can have a name of its own lead to this machine (DNS rebinding), and then
/// read what only this machine may: where everybody on it may read, other names than its own are refused.
public struct HostRule: Sendable {
    /// The server listens on loopback addresses alone.
    public var isLoopback: Bool
    /// A name, with all names below it, that is answered, too.
    public var domain: String?

    public init(isLoopback: Bool, domain: String?) {
        self.isLoopback = isLoopback
        self.domain = domain
    }

    /// Whether a request is to be answered: with exactly one host, of this machine if only that may read.
    public func allows(_ request: WebRequest) -> Bool {
        guard let host = request.header("host") else { return false }
        guard isLoopback else { return true }
        let name = HostRule.name(of: host).lowercased()
        if HostRule.isLoopback(name) { return true }
        guard let domain = domain?.lowercased() else { return false }
        return name == domain || name.hasSuffix("." + domain)
    }

    /// A host without its port, and without brackets.
    static func name(of host: String) -> String {
        if host.hasPrefix("[") {
            guard let end = host.firstIndex(of: "]") else { return "" }
            return String(host[host.index(after: host.startIndex)..<end])
        }
        return String(host.prefix { $0 != ":" })
    }

    /// Whether a name or an address is one of this machine's own loopback: `localhost`, `127.…`, `::1`.
    public static func isLoopback(_ name: String) -> Bool {
        if name == "localhost" { return true }
        var four = in_addr()
        if inet_pton(AF_INET, name, &four) == 1 { return UInt32(bigEndian: four.s_addr) >> 24 == 127 }
        var six = in6_addr()
        guard inet_pton(AF_INET6, name, &six) == 1 else { return false }
        return withUnsafeBytes(of: &six) { $0.dropLast().allSatisfy { $0 == 0 } && $0.last == 1 }
    }
}
