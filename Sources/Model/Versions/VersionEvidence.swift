/// What the synced inventories say about one version.
public struct VersionEvidence: Sendable {
    public var identity: VersionIdentity
    /// Its runs: maximal sequences of consecutive inventories that list it, in order.
    public var listed: [RankInterval]
    /// The inventories that mark it latest, in order.
    public var latest: [RankInterval]

    public init(identity: VersionIdentity, listed: [RankInterval], latest: [RankInterval]) {
        self.identity = identity
        self.listed = listed
        self.latest = latest
    }
}
