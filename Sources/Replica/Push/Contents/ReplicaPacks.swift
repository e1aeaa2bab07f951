import Basics
import Glibc
import Model
import Packs

/// What is in the packs of a replica, fetched when something is first looked for.
final class ReplicaPacks {
    private let replica: Replica
    private let parts: ReplicaCatalogue?
    private let path: String
    private var catalogue: PackCatalogue?

    /// - Parameter path: of a file that belongs to this push.
    init(_ context: PushContext, _ head: Replica.Head?) {
        replica = context.replica
        parts = head?.metadata.catalogue
        path = "\(context.store.path)/replicas/\(context.replicaId).packs"
    }

    /// Whether a pack of the replica has the content. Without a catalogue that can be read, none does.
    func has(_ name: BlobName) throws -> Bool {
        guard let parts, !parts.parts.isEmpty else { return false }
        if let catalogue { return try !catalogue.find(name).isEmpty }
        defer { unlink(path) }
        try parts.assemble(at: path) { try replica.content($0) }
        let catalogue = try PackCatalogue(path: path)
        self.catalogue = catalogue
        return try !catalogue.find(name).isEmpty
    }
}
