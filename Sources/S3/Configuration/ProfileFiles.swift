import Basics
import Glibc

/// `~/.aws/credentials` and `~/.aws/config`, read on every use: another program may renew them at any time.
struct ProfileFiles: Sendable {
    let credentialsPath: String?
    let configPath: String?

    init(environment: [String: String]) {
        func path(_ variable: String, _ name: String) -> String? {
            if let given = environment[variable], !given.isEmpty {
                return S3Configuration.file(given, environment)
            }
            return environment["HOME"].flatMap { $0.isEmpty ? nil : "\($0)/.aws/\(name)" }
        }
        credentialsPath = path("AWS_SHARED_CREDENTIALS_FILE", "credentials")
        configPath = path("AWS_CONFIG_FILE", "config")
    }

    /// All settings of a profile, with precedence for the credentials file; empty if there is no default profile.
    ///
    /// - Parameter name: nil for the default profile, which need not exist.
    func settings(of name: String?) throws(IcecoreError) -> [String: String] {
        try credentialSettings(of: name).reduce(into: [:]) { all, file in all.merge(file) { first, _ in first } }
    }

    /// The profile's settings in the credentials file and in the config file, in this order.
    func credentialSettings(of name: String?) throws(IcecoreError) -> [[String: String]] {
        let profile = name ?? "default"
        let shown = Display.text(profile, limit: 100)
        let credentials = try ProfileFiles.sections(credentialsPath)[profile]
        let sections = try ProfileFiles.sections(configPath)
        var config = sections["profile \(profile)"]
        // In the config file, only "default" may stand without the word "profile".
        if profile == "default", config == nil { config = sections["default"] }
        if credentials == nil, config == nil, name != nil {
            // A common slip: without the word "profile", a section of the config file is nobody's.
            let slip =
                sections[profile] == nil
                ? "" : "; the config file has a section [\(shown)], which has to be called [profile \(shown)] there"
            throw IcecoreError(
                .notFound, "there is no profile '\(shown)' in the AWS credentials and config files\(slip)")
        }
        return [credentials ?? [:], config ?? [:]]
    }

    /// A service's settings in the section `[services NAME]` of the config file, which a profile names by `services`.
    ///
    /// - Throws: `notFound` if the section is not there: another server would get the requests.
    func settings(ofService service: String, section name: String) throws(IcecoreError) -> [String: String] {
        guard let section = try ProfileFiles.sections(configPath)["services \(name)"] else {
            throw IcecoreError(
                .notFound,
                "the profile names the services section '\(Display.text(name, limit: 100))', which the AWS config file "
                    + "does not have")
        }
        var settings: [String: String] = [:]
        for (setting, value) in section where setting.hasPrefix("\(service).") {
            settings[String(setting.dropFirst(service.count + 1))] = value
        }
        return settings
    }

    private static func sections(_ path: String?) throws(IcecoreError) -> [String: [String: String]] {
        guard let path, Files.exists(path) else { return [:] }
        do {
            return parse(try Files.read(path, limit: 4 << 20))
        } catch let error as IcecoreError {
            throw error
        } catch {
            throw IcecoreError(.system, "cannot read '\(path)'", cause: error)
        }
    }

    /// Parses `[section]` and `name = value` lines. An indented `name = value` below a `service =` becomes
    /// `service.name`. Other lines are ignored, as by AWS's own tools.
    static func parse(_ bytes: [UInt8]) -> [String: [String: String]] {
        var sections: [String: [String: String]] = [:]
        var section: String?
        // The setting above that has no value of its own.
        var parent: String?
        // Some editors put a byte order mark before the first section.
        let bytes = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? bytes[3...] : bytes[...]
        for rawLine in bytes.split(whereSeparator: { $0 == 0x0a || $0 == 0x0d }) {
            let text = String(decoding: rawLine, as: UTF8.self)
            let isIndented = text.first == " " || text.first == "\t"
            let line = text.trimmed
            if line.isEmpty || line.hasPrefix("#") || line.hasPrefix(";") { continue }
            if line.hasPrefix("["), let end = line.firstIndex(of: "]") {
                let words = line[line.index(after: line.startIndex)..<end].split { $0 == " " || $0 == "\t" }
                let name = words.joined(separator: " ").filter { $0 != "\"" && $0 != "'" }
                section = name
                sections[name, default: [:]].merge([:]) { old, _ in old }
                parent = nil
                continue
            }
            guard let section, let equals = line.firstIndex(of: "=") else { continue }
            let name = line[..<equals].trimmed.lowercased()
            let value = line[line.index(after: equals)...].trimmed
            if isIndented, let parent {
                if !value.isEmpty { sections[section, default: [:]]["\(parent).\(name)"] = value }
                continue
            }
            parent = value.isEmpty ? name : nil
            if !value.isEmpty { sections[section, default: [:]][name] = value }
        }
        return sections
    }
}

extension StringProtocol {
    /// Without the white space at both ends.
    var trimmed: String {
        var rest = self[...]
        while let first = rest.first, first.isWhitespace { rest.removeFirst() }
        while let last = rest.last, last.isWhitespace { rest.removeLast() }
        return String(rest)
    }
}
