import Basics

extension WorkedExample: CustomStringConvertible {
    /// A paragraph for docs/SEMANTICS.md.
    public var description: String {
        var sentences: [String] = []
        let unknown = versions.filter { $0.kind == .unknown }
        let null = versions.filter { $0.kind == .null }
        var facts = [versions.map { "\($0.name)@\(Self.seconds($0.lastModified))" }.joined(separator: ", ")]
        if unknown.count == versions.count {
            facts.insert("No version ids", at: 0)
        } else if !unknown.isEmpty {
            facts.append("\(Self.list(unknown.map(\.name))) without a version id")
        }
        if null.count == versions.count, !null.isEmpty {
            facts[facts.count - 1] += ", \(null.count == 2 ? "both" : "all") with the id `null`"
        } else if !null.isEmpty {
            facts.append("\(Self.list(null.map(\.name))) with the id `null`")
        }
        for (content, same) in Dictionary(grouping: versions, by: \.content).sorted(by: { $0.key < $1.key })
        where !content.isEmpty && same.count > 1 {
            facts.append("\(Self.list(same.map(\.name))) with one content")
        }
        facts.append(inventories.map(Self.text).joined(separator: ", "))
        sentences.append(facts.joined(separator: "; "))
        sentences.append(claimText)
        return Self.wrapped("**\(title).** " + sentences.map { $0 + "." }.joined(separator: " "))
    }

    private static func text(_ listed: Report) -> String {
        let names = (listed.latest.map { [$0 + "*"] } ?? []) + listed.others
        let name = "S\(seconds(listed.takenAt))"
        return names.isEmpty ? "\(name) without the key" : "`\(name): \(names.joined(separator: ", "))`"
    }

    /// Each version with all its intervals, in the order of their beginnings.
    private var claimText: String {
        var subjects: [String?] = []
        for claim in claims where !subjects.contains(claim.version) { subjects.append(claim.version) }
        return subjects.map { subject in
            let intervals = claims.filter { $0.version == subject }.map { claim in
                claim.to.map { "in [\(Self.seconds(claim.from)), \(Self.seconds($0)))" }
                    ?? "from \(Self.seconds(claim.from)) on"
            }
            return "\(subject ?? "nothing") \(intervals.joined(separator: " and "))"
        }.joined(separator: ", ")
    }

    private static func list(_ names: [String]) -> String {
        guard let last = names.last, names.count > 1 else { return names.first ?? "" }
        return names.dropLast().joined(separator: ", ") + " and " + last
    }

    private static func wrapped(_ text: String) -> String {
        var lines = [""]
        for word in text.split(separator: " ") {
            if lines[lines.count - 1].count + 1 + word.count > 120 { lines.append("") }
            lines[lines.count - 1] += (lines[lines.count - 1].isEmpty ? "" : " ") + word
        }
        return lines.joined(separator: "\n")
    }
}

extension WorkedExample {
    /// A paragraph of docs/SEMANTICS.md is not in the notation.
    public struct Unreadable: Error, CustomStringConvertible {
        public let description: String
    }

    /// The examples in a section "Worked examples".
    public static func all(in markdown: String) throws -> [WorkedExample] {
        guard let section = markdown.firstMatch(of: /\n#+ Worked examples\n(?<text>(?s).*?)\n#/)?.text else {
            throw Unreadable(description: "there is no section 'Worked examples'")
        }
        return try String(section).split(separator: "\n\n").filter { $0.hasPrefix("**") }.map {
            try WorkedExample(parsing: String($0))
        }
    }

    /// Reads a paragraph. What it says of other inventories, in sentences that begin with "With" and "Without", is passed
    /// over.
    public init(parsing paragraph: String) throws {
        let text = paragraph.split(whereSeparator: \.isNewline).joined(separator: " ")
        guard let head = text.firstMatch(of: /\*\*(?<title>.+?)\.\*\* (?<rest>.*)/) else {
            throw Unreadable(description: "no title: \(text)")
        }
        self.init(title: String(head.title))
        let rest = String(head.rest)
        let body = rest.firstMatch(of: #/[.:] With(out)? /#).map { String(rest[..<$0.range.lowerBound]) } ?? rest
        try parseVersions(body)
        try parseInventories(body)
        let names = Set(versions.map(\.name))
        for match in body.matches(
            of: /(?<name>\w+)(?: is current)?(?<all>(?:(?: and)? (?:in \[[\d.]+, [\d.]+\)|from [\d.]+ on))+)/)
        {
            let name = String(match.name)
            guard name == "nothing" || names.contains(name) else { continue }
            for interval in match.all.matches(of: /in \[(?<from>[\d.]+), (?<to>[\d.]+)\)|from (?<on>[\d.]+) on/) {
                let from = try Self.milliseconds(interval.from ?? interval.on ?? "")
                let to = try interval.to.map { try Self.milliseconds($0) }
                claims.append(Claim(version: name == "nothing" ? nil : name, from: from, to: to))
            }
        }
        claims.sort { $0.from < $1.from }
    }

    private mutating func parseVersions(_ body: String) throws {
        for match in body.matches(of: /(?<name>[a-z]\w*)@(?<time>\d+(?:\.\d+)?)/) {
            let name = String(match.name)
            let version = NamedVersion(
                name: name, lastModified: try Self.milliseconds(match.time), content: name.hasPrefix("m") ? "" : name)
            if !versions.contains(where: { $0.name == name }) { versions.append(version) }
        }
        let isNull = body.contains(/(?:both|all) (?:with the id )?`null`/)
        let isUnknown = body.contains("No version ids")
        for place in versions.indices where isNull || isUnknown { versions[place].kind = isNull ? .null : .unknown }
        for match in body.matches(
            of: /(?<names>\w+(?:, \w+)*(?: and \w+)?) (?<what>with the id `null`|without a version id|with one content)/
        ) {
            let names = match.names.split(separator: #/, | and /#).map(String.init)
            for place in versions.indices where names.contains(versions[place].name) {
                switch match.what {
                case "with the id `null`": versions[place].kind = .null
                case "without a version id": versions[place].kind = .unknown
                default: versions[place].content = names[0]
                }
            }
        }
    }

    private mutating func parseInventories(_ body: String) throws {
        let names = Set(versions.map(\.name))
        for match in body.matches(of: /`S(?<time>[\d.]+): (?<rows>[^`]+)`|S(?<without>[\d.]+) without the key/) {
            var listed = Report(takenAt: try Self.milliseconds(match.time ?? match.without ?? ""))
            for row in (match.rows ?? "").split(separator: ", ") {
                let name = row.prefix { $0 != "@" && $0 != "*" }
                guard names.contains(String(name)) else {
                    throw Unreadable(description: "S\(Self.seconds(listed.takenAt)) lists \(name), which has no time")
                }
                if row.hasSuffix("*") { listed.latest = String(name) } else { listed.others.append(String(name)) }
            }
            inventories.append(listed)
        }
        inventories.sort { $0.takenAt < $1.takenAt }
    }

    private static func milliseconds(_ seconds: some StringProtocol) throws -> Int64 {
        let parts = seconds.split(separator: ".")
        let fraction = parts.count > 1 ? String((String(parts[1]) + "000").prefix(3)) : "0"
        guard parts.count <= 2, let whole = parts.first.flatMap({ Int64($0) }), let rest = Int64(fraction) else {
            throw Unreadable(description: "'\(seconds)' is not a time in seconds")
        }
        return whole * 1000 + rest
    }
}
