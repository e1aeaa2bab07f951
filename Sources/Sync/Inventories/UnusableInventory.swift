import Basics

/// An inventory that cannot be used for what it is: files of it are missing, or it is of a kind that cannot be read. It
/// says nothing that contradicts the store.
struct UnusableInventory: Error {
    let name: String
    /// Files are missing: they have not come yet, or have expired.
    let isIncomplete: Bool
    let error: IcecoreError

    /// Runs what reads an inventory's manifest or fetches its files, and recognizes such an inventory by what it throws.
    static func recognizing<Result>(_ name: String, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as IcecoreError where error.code == .notFound || error.code == .unsupported {
            throw UnusableInventory(name: name, isIncomplete: error.code == .notFound, error: error)
        }
    }
}
