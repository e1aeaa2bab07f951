/// The rows of one list file, which is opened when the first are asked for.
final class ListFileSource: RowSource {
    private let sequence: ListFileSequence
    private let place: Int
    private var reader: ListFileReader?
    private var batch: RowBatch?

    init(_ sequence: ListFileSequence, _ place: Int) {
        self.sequence = sequence
        self.place = place
    }

    func next() throws -> RowBatch? {
        if let batch {
            sequence.pool.recycle(batch)
            self.batch = nil
        }
        let reader = try reader ?? sequence.open(place)
        self.reader = reader
        batch = try sequence.pool.next(of: reader)
        if batch == nil { self.reader = nil }
        return batch
    }
}
