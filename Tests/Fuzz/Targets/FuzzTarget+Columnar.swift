import Inventory

extension FuzzTarget {
    /// The same file gives the same values each time, or the same sentence.
    ///
    /// - Parameter read: gives how many rows there are, and a sum of their values.
    static func columnar(_ bytes: [UInt8], _ read: ([UInt8]) throws -> (rows: Int, sum: Int64)) {
        func decode() -> String {
            var seen = ""
            let said = attempt {
                let (rows, sum) = try read(bytes)
                seen = "\(rows) \(sum)"
            }
            return said ?? seen
        }
        let seen = decode()
        precondition(seen == decode(), "the values are others the second time")
        let isSentence = ["has ", "is ", "does ", "needs "].contains { seen.hasPrefix("the file \($0)") }
        precondition(!seen.hasPrefix("the file") || isSentence, "no sentence: \(seen)")
        precondition(seen.utf8.count < 1000, "a sentence that fills the screen")
    }
}
