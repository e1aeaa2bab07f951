/// The list files in the order in which they will be needed; whenever one is, the next is already read ahead.
final class ListFileSequence {
    let pool: ReaderPool
    var count = 0
    private let make: (Int) -> ListFileReader
    private var opened: [Int: ListFileReader] = [:]
    private var firstUnopened = 0

    init(pool: ReaderPool, make: @escaping (Int) -> ListFileReader) {
        self.pool = pool
        self.make = make
    }

    /// Opens the file that is needed now, and the next.
    func open(_ place: Int) throws -> ListFileReader {
        while firstUnopened < count, firstUnopened <= place + 1 {
            let reader = make(firstUnopened)
            try pool.open(reader)
            opened[firstUnopened] = reader
            firstUnopened += 1
        }
        if let reader = opened.removeValue(forKey: place) { return reader }
        let reader = make(place)
        try pool.open(reader)
        return reader
    }
}
