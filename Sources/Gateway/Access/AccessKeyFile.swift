import Basics

/// Keys that may read, from a file in the form of `~/.aws/credentials`: those of all its sections.
public enum AccessKeyFile {
    /// - Throws: `usage` for a file without any key, or with a half.
    public static func read(_ path: String) throws -> [String: AccessKey] {
        let shown = Display.text(path)
        let bytes = try Files.read(path, limit: 4 << 20)
        var keys: [String: AccessKey] = [:]
        for (section, settings) in sections(bytes) {
            guard let id = settings["aws_access_key_id"] else { continue }
            guard let secret = settings["aws_secret_access_key"] else {
                throw IcecoreError(
                    .usage, "'\(shown)': the section [\(Display.text(section))] has a key's id and no secret")
            }
            if keys[id] != nil {
                throw IcecoreError(.usage, "'\(shown)' has the key of [\(Display.text(section))] twice")
            }
            keys[id] = AccessKey(
                secret: Array(secret.utf8), sessionToken: settings["aws_session_token"].map { Array($0.utf8) })
        }
        guard !keys.isEmpty else {
            throw IcecoreError(
                .usage,
                "'\(shown)' has no keys: it should look like ~/.aws/credentials, with aws_access_key_id and "
                    + "aws_secret_access_key")
        }
        return keys
    }

    private static func sections(_ bytes: [UInt8]) -> [String: [String: String]] {
        var sections: [String: [String: String]] = [:]
        var section = ""
        let bytes = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? bytes[3...] : bytes[...]
        for line in bytes.split(whereSeparator: { $0 == 0x0a || $0 == 0x0d }) {
            let line = String(decoding: line, as: UTF8.self).trimmingSpaces
            if line.isEmpty || line.hasPrefix("#") || line.hasPrefix(";") { continue }
            if line.hasPrefix("["), let end = line.firstIndex(of: "]") {
                section = line[line.index(after: line.startIndex)..<end].trimmingSpaces
            } else if let equals = line.firstIndex(of: "=") {
                let name = line[..<equals].trimmingSpaces.lowercased()
                sections[section, default: [:]][name] = line[line.index(after: equals)...].trimmingSpaces
            }
        }
        return sections
    }
}
