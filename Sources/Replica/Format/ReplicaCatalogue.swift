import Basics

/// The catalogue of a replica's packs, in parts. Each is a catalogue of some packs, as a store has one of all of its own; no
/// two packs have the same number, and each is in one part.
struct ReplicaCatalogue: Codable, Equatable {
    var parts: [ReplicaPiece]
    /// No pack has a higher number.
    var lastNumber: UInt32
    /// How many packs there are, and their bytes.
    var packs: Int64
    var packBytes: Int64

    /// About how many bytes a part has at most, unless a single pack needs more.
    static let partLength: Int64 = 24 << 20

    /// Refuses parts that no push can have written.
    ///
    /// - Parameter place: the document's name for messages.
    func check(_ place: String) throws {
        for part in parts where part.size < 0 || part.size > ReplicaPiece.largest {
            throw IcecoreError(.damaged, "\(place): a part of the catalogue is too large")
        }
        guard [packs, packBytes].allSatisfy({ (0...Int64(ReplicaFormat.mostCounted)).contains($0) }) else {
            throw IcecoreError(.damaged, "\(place) has a number that is out of range")
        }
    }
}
