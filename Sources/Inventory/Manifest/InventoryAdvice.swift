/// The last part of messages about an inventory that cannot be used.
enum InventoryAdvice {
    static let otherDate = "this inventory cannot be used, choose another date"
    static let otherWays =
        "add the field to the bucket's inventory configuration and choose a later date, or do without an inventory: "
        + "'icecore sync --list'"
    static let fetchAgain = "fetch it again, or choose another date"
}
