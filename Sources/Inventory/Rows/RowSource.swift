/// A source of rows in key order, batch by batch; a batch is valid until the next one is asked for.
protocol RowSource: AnyObject {
    func next() throws -> RowBatch?
}
