import Basics

/// A history of one key with what is current when, in the notation of the worked examples in docs/SEMANTICS.md.
///
/// Times are in milliseconds since whatever second 0 is.
public struct WorkedExample: Sendable {
    /// A name such as `v1`; those of delete markers begin with an m.
    public struct NamedVersion: Hashable, Sendable {
        /// The version id: the name, `null`, or unknown.
        public enum Kind: Hashable, Sendable {
            case named, null, unknown
        }

        public var name: String
        public var lastModified: Int64
        public var kind = Kind.named
        /// The name of the first version that has the same content.
        public var content: String

        public var isMarker: Bool { name.hasPrefix("m") }
    }

    /// What an inventory says of the key.
    public struct Report: Hashable, Sendable {
        public var takenAt: Int64
        public var latest: String?
        public var others: [String] = []
    }

    /// From a time on, until another one or for good, a version is current, or nothing.
    public struct Claim: Hashable, Sendable {
        public var version: String?
        public var from: Int64
        public var to: Int64?
    }

    public var title: String
    public var versions: [NamedVersion] = []
    /// Oldest first.
    public var inventories: [Report] = []
    public var claims: [Claim] = []

    /// What inventories say of a key, and what follows from it; nil if none lists it.
    public init?(of key: ByteString, in history: History, title: String, origin: Timestamp) {
        guard let facts = history.history(of: key) else { return nil }
        self.title = title
        // Ids decide last, so that names must be in their order: that of time too, if possible.
        let byTime = facts.versions.sorted { ($0.lastModified, $0.id, $0.etag) < ($1.lastModified, $1.id, $1.etag) }
        let byID = facts.versions.sorted { ($0.id, $0.lastModified, $0.etag) < ($1.id, $1.lastModified, $1.etag) }
        for order in [byTime, byID] {
            describe(facts, order, origin)
            if violations().isEmpty { return }
        }
    }

    init(title: String) {
        self.title = title
    }

    private mutating func describe(_ facts: KeyHistory, _ order: [Version], _ origin: Timestamp) {
        func time(_ instant: Timestamp) -> Int64 { instant.milliseconds - origin.milliseconds }
        let names = Dictionary(
            uniqueKeysWithValues: order.enumerated().map { ($1, "\($1.isMarker ? "m" : "v")\($0 + 1)") })
        versions = order.map { version in
            let first = order.first { ($0.etag, $0.size) == (version.etag, version.size) && !$0.isMarker }
            return NamedVersion(
                name: names[version] ?? "", lastModified: time(version.lastModified),
                kind: version.id == .unknown ? .unknown : version.id == .null ? .null : .named,
                content: (first ?? version).isMarker ? "" : names[first ?? version] ?? "")
        }
        inventories = facts.listings.map { listing in
            let listed = order.filter(listing.versions.contains)
            return Report(
                takenAt: time(listing.takenAt), latest: listing.latest.flatMap { names[$0] },
                others: listed.reversed().filter { $0 != listing.latest }.compactMap { names[$0] })
        }
        claims = []
        let changes = facts.changes.filter { $0 != .distantFuture }.sorted()
        for (place, change) in changes.enumerated() {
            let next = place + 1 < changes.count ? time(changes[place + 1]) : nil
            let version = facts.current(at: change).flatMap { names[$0] }
            if let last = claims.last, last.version == version {
                claims[claims.count - 1].to = next
            } else {
                claims.append(Claim(version: version, from: time(change), to: next))
            }
        }
        if claims.isEmpty { claims = [Claim(version: nil, from: 0, to: nil)] }
    }

    // MARK: What it means

    /// The inventories, of one key. Seconds become minutes, so that each has a name of its own.
    ///
    /// - Parameters:
    ///   - origin: second 0.
    ///   - etag: of the content of a version's name.
    public func reports(
        key: ByteString = "k", origin: Timestamp = Timestamp(milliseconds: 0),
        etag: (String) -> ByteString = { ByteString($0) }
    ) -> [InventoryReport] {
        let known = meanings(key, origin, etag)
        let isWithoutIDs = !versions.isEmpty && versions.allSatisfy { $0.kind == .unknown }
        return inventories.map { listed in
            let rows = ([listed.latest] + listed.others).enumerated().compactMap { place, name in
                name.flatMap { known[$0] }.map { InventoryReport.Row($0, isLatest: place == 0) }
            }
            let takenAt = Self.instant(listed.takenAt, origin)
            return InventoryReport(
                name: InventoryReport.name(takenAt: takenAt), takenAt: takenAt,
                kind: isWithoutIDs ? .currentOnly : .full, rows: rows)
        }
    }

    /// A time of the example in its inventories.
    public static func instant(_ time: Int64, _ origin: Timestamp) -> Timestamp {
        Timestamp(milliseconds: origin.milliseconds + 60 * time)
    }

    private func meanings(_ key: ByteString, _ origin: Timestamp, _ etag: (String) -> ByteString) -> [String: Version] {
        let meanings = versions.map { version in
            let id: VersionID =
                switch version.kind {
                case .named: .id(ByteString(version.name))
                case .null: .null
                case .unknown: .unknown
                }
            let lastModified = Self.instant(version.lastModified, origin)
            return version.isMarker
                ? Version(key: key, id: id, lastModified: lastModified, etag: "", isMarker: true)
                : Version(key: key, id: id, lastModified: lastModified, etag: etag(version.content), size: 1)
        }
        return Dictionary(zip(versions.map(\.name), meanings)) { first, _ in first }
    }

    /// The instants at which what is current can change, and those before them.
    public var interestingTimes: [Int64] {
        let times =
            versions.map(\.lastModified) + inventories.map(\.takenAt) + claims.map(\.from) + claims.compactMap(\.to)
        return Set(times.flatMap { [$0 - 1, $0] }).sorted()
    }

    /// What the claims say of a time: a name, or nil for nothing. Nil, where they say nothing of it.
    public func claimed(at time: Int64) -> String?? {
        claims.first { $0.from <= time && $0.to.map { time < $0 } ?? true }.map(\.version)
    }

    /// Where the rules say something else than the claims.
    public func violations() -> [String] {
        let key: ByteString = "k"
        guard !claims.isEmpty else { return ["it does not say what is current"] }
        guard let history = try? History(reports(key: key)) else { return ["an inventory marks two versions latest"] }
        let origin = Timestamp(milliseconds: 0)
        let known = meanings(key, origin) { ByteString($0) }
        let subjects = Set(claims.map(\.version))
        return interestingTimes.compactMap { time in
            let current = history.instantView(at: Self.instant(time, origin))[key]
            let name = current.flatMap { current in known.first { $0.value == current }?.key }
            switch claimed(at: time) {
            case .some(let claimed):
                return claimed == name
                    ? nil : "\(Self.seconds(time)): \(name ?? "nothing"), not \(claimed ?? "nothing")"
            case nil:
                // What is named is current at no other time.
                guard let name, subjects.contains(name) else { return nil }
                return "\(Self.seconds(time)): \(name) too"
            }
        }
    }

    static func seconds(_ milliseconds: Int64) -> String {
        let (whole, rest) = (milliseconds / 1000, abs(milliseconds % 1000))
        guard rest != 0 else { return "\(whole)" }
        let digits = "\(1000 + rest)".dropFirst()
        return "\(milliseconds < 0 && whole == 0 ? "-" : "")\(whole).\(digits.trimmingSuffix { $0 == "0" })"
    }
}

extension Substring {
    fileprivate func trimmingSuffix(_ isDropped: (Character) -> Bool) -> Substring {
        var text = self
        while let last = text.last, isDropped(last) { text.removeLast() }
        return text
    }
}
