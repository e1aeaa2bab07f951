/// The last part of messages about an inventory that cannot be used.
enum InventoryAdvice {
    static let otherDate = "this inventory cannot be used, choose another date"
    static let fetchAgain = "fetch it again, or choose another date"
}
