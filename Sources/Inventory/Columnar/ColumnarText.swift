/// What readers of texts have to bear in mind.
enum ColumnarText {
    /// No column of an inventory has texts of more than a kilobyte; 4096 rows of them are far below this.
    static let batchLimit = 16 << 20
    static let dictionaryLimit = 64 << 20

    /// The sum of lengths.
    ///
    /// - Throws: ``ColumnarProblem`` if it is more than `limit`.
    static func sum(_ lengths: UnsafePointer<Int64>, _ count: Int, limit: Int) throws -> Int {
        var sum = 0
        for index in 0..<count {
            let length = UInt64(bitPattern: lengths[index])
            guard length <= UInt64(limit) else {
                throw ColumnarProblem("has a text of \(length) bytes", row: index)
            }
            sum &+= Int(length)
        }
        // As many times the limit as there are lengths: no overflow.
        guard sum <= limit else { throw ColumnarProblem("has texts of together \(sum) bytes") }
        return sum
    }
}
