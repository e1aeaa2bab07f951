import Model

extension PackSet {
    /// Everywhere that a content is: in no pack, in one, or in several, by their numbers in the catalogue. A record whose header
    /// is damaged does not count.
    public func places(_ name: BlobName) throws -> [(pack: UInt32, record: PackRecord)] {
        guard let catalogue = try current() else { return [] }
        var places: [(pack: UInt32, record: PackRecord)] = []
        for entry in try catalogue.find(name) {
            guard let packName = catalogue.packs[entry.pack], let pack = try pack(packName),
                let record = try pack.soundRecord(at: entry.place, name)
            else { continue }
            places.append((entry.pack, record))
        }
        return places
    }
}
