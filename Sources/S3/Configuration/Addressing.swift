import Basics

/// Where a request names its bucket.
public enum Addressing: String, Sendable, CaseIterable {
    /// At the beginning of the path: `https://s3.example.org/bucket/key`.
    case path
    /// In the host's name: `https://bucket.s3.example.org/key`.
    case virtual

    /// Reads a setting; nil, as for `auto`, chooses what suits the server.
    ///
    /// - Throws: `usage` for anything else.
    public static func setting(_ text: String?) throws(IcecoreError) -> Addressing? {
        guard let text, text.lowercased() != "auto" else { return nil }
        guard let addressing = Addressing(rawValue: text.lowercased()) else {
            throw IcecoreError(
                .usage, "the addressing '\(Display.text(text, limit: 100))' must be path, virtual or auto")
        }
        return addressing
    }
}
