/// How many inventories a store keeps.
public enum InventoryLimit: Sendable, Equatable {
    case all
    /// This many, the newest ones; never negative.
    case newest(Int)

    /// The number, as a store's configuration has it: nil for all.
    public var count: Int? {
        switch self {
        case .all: nil
        case .newest(let count): count
        }
    }
}
