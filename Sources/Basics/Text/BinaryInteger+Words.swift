extension BinaryInteger {
    /// So many things: `1 file`, `2 files`, `1 inventory`, `3 inventories`.
    public func of(_ noun: String) -> String {
        if self == 1 { return "1 \(noun)" }
        let isPlain = !noun.hasSuffix("y") || ["a", "e", "o", "u"].contains { noun.dropLast().hasSuffix($0) }
        return "\(self) " + (isPlain ? "\(noun)s" : "\(noun.dropLast())ies")
    }

    /// The verb that follows such a number.
    public func verb(_ one: String, _ many: String) -> String {
        self == 1 ? one : many
    }
}
