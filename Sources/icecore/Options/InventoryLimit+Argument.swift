import ArgumentParser
import Sync

/// A number, or `all`.
extension InventoryLimit: ExpressibleByArgument {
    public init?(argument: String) {
        if argument == "all" {
            self = .all
        } else if let number = Int(argument), number >= 0 {
            self = .newest(number)
        } else {
            return nil
        }
    }
}
