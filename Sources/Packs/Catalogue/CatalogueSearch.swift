import Basics
import Model

/// Many questions to a catalogue by one thread, at their best in the order of ETags: the catalogue is then read once, from
/// its beginning to its end, whatever its size.
public final class CatalogueSearch {
    private let catalogue: PackCatalogue
    private let memory = BlockMemory()

    public init(_ catalogue: PackCatalogue) {
        self.catalogue = catalogue
    }

    /// As ``PackCatalogue/find(_:)``.
    public func find(_ name: BlobName) throws -> [PackEntry] {
        try catalogue.find(name, memory)
    }
}

extension PackSet {
    /// Whether the catalogue says that a pack, which is there, has a content of this name. The pack is not read: to look at
    /// each record takes as long as to read all packs, and longer in an order that is not theirs.
    ///
    /// - Parameter search: of ``current()``.
    public func isListed(_ name: BlobName, _ search: CatalogueSearch) throws -> Bool {
        guard name.size <= Int64(UInt32.max), let packs = try current()?.packs else { return false }
        let entries: [PackEntry]
        do {
            entries = try search.find(name)
        } catch let error as IcecoreError where error.code == .damaged {
            throw PackSet.withAdvice(error)
        }
        return try entries.contains { entry in
            guard let pack = packs[entry.pack] else { return false }
            return try self.pack(pack) != nil
        }
    }
}
