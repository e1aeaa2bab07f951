import Basics

/// The keys that requests are signed with. Never printed: every description is redacted.
public struct Credentials: Sendable {
    let accessKeyId: String
    let secretAccessKey: String
    let sessionToken: String?
    /// When they expire; nil if they do not.
    public let expiration: Timestamp?
    /// Where they were found, as in "credentials from …": no secret.
    public private(set) var origin = "an unnamed place"

    public init(accessKeyId: String, secretAccessKey: String, sessionToken: String? = nil, expiration: Timestamp? = nil)
    {
        self.accessKeyId = accessKeyId
        self.secretAccessKey = secretAccessKey
        self.sessionToken = sessionToken.flatMap { $0.isEmpty ? nil : $0 }
        self.expiration = expiration
    }

    /// The same, and where they were found.
    func from(_ origin: String) -> Credentials {
        var credentials = self
        credentials.origin = origin
        return credentials
    }

    /// What must not appear in any message.
    var secrets: [String] { [secretAccessKey, sessionToken ?? "", accessKeyId] }

    /// Whether every part fits into a header and a C string.
    var isPlausible: Bool {
        [accessKeyId, secretAccessKey, sessionToken ?? "x"].allSatisfy { text in
            !text.isEmpty && text.utf8.count <= 65536 && text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f }
        } && !accessKeyId.contains(":")
    }

    func isSame(as other: Credentials) -> Bool {
        accessKeyId == other.accessKeyId && secretAccessKey == other.secretAccessKey
            && sessionToken == other.sessionToken
    }
}

extension Credentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "Credentials(redacted)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
