import Model

/// What moving contents into packs, or out of them, has done or would do.
public struct PackingOutcome: Sendable {
    /// Contents that were moved, and their bytes.
    public var contents = 0
    public var bytes: Int64 = 0
    /// Contents that were in a pack already: only their files were removed.
    public var duplicates = 0
    /// Packs that were made, or are no more.
    public var packs = 0
    /// What everything that was moved took on the disk before, and what it takes now, catalogue included.
    public var diskBytesBefore: Int64 = 0
    public var diskBytesAfter: Int64 = 0
    /// Contents that are not what their names say: they stay where they are.
    public var damaged: [String] = []
    public var damagedCount = 0

    /// How many names of damaged contents are kept.
    static let mostNames = 20

    public init() {}

    mutating func addDamaged(_ name: String) {
        damagedCount += 1
        if damaged.count < PackingOutcome.mostNames { damaged.append(name) }
    }
}

/// How far it has come.
public struct PackingProgress: Sendable {
    public var contents: Int
    public var bytes: Int64
}
