import ArgumentParser

/// How many inventories a store keeps: a number, or `all`.
struct KeptCount: ExpressibleByArgument {
    /// Nil: all.
    let limit: Int?

    init?(argument: String) {
        if argument == "all" {
            limit = nil
        } else if let number = Int(argument), number >= 0 {
            limit = number
        } else {
            return nil
        }
    }
}
