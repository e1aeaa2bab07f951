import Index
import Model

/// The result of a verification.
public struct VerifyOutcome: Sendable {
    public var blobs: Int64 = 0
    public var bytes: Int64 = 0
    /// Rows of the index.
    public var rows: Int64 = 0
    /// Files that are damaged, or cannot be read, and damaged contents of packs.
    public var damaged = 0
    /// Those of these that are contents of packs.
    public var damagedContents = 0
    /// Packs that the catalogue lists, and that have vanished.
    public var missingPacks = 0
    public var missing = 0
    public var foreign = 0
    /// Versions whose contents are not in the store and need not be, by state.
    public var absent: [ContentState: StateCount] = [:]
    public var indexIsDamaged = false
    /// Only after a repair: contents that were fetched.
    public var repaired = 0
    /// Only after a repair: versions whose content could not be fetched now, and those whose content is gone for good.
    public var stillMissing = 0
    public var gone = 0
    /// Only after a repair: damaged blobs that were moved away.
    public var quarantined = 0
    /// Only after a repair: packs that were written anew or given up.
    public var rewrittenPacks = 0
    /// Only after a repair: of what was damaged, all that has to do with packs and is right now.
    public var mended = 0
}
