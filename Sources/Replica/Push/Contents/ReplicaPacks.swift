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
        try !find(name).isEmpty
    }

    /// The packs of the replica that have the content.
    func find(_ name: BlobName) throws -> Set<PackName> {
        guard let catalogue = try open() else { return [] }
        return Set(try catalogue.find(name).compactMap { catalogue.packs[$0.pack] })
    }

    /// The packs of which it is known what they have.
    func names() throws -> Set<PackName> {
        Set((try open()?.packs ?? [:]).values)
    }

    private func open() throws -> PackCatalogue? {
        guard let parts, !parts.parts.isEmpty else { return nil }
        if let catalogue { return catalogue }
        defer { unlink(path) }
        try parts.assemble(at: path) { try replica.content($0) }
        let catalogue = try PackCatalogue(path: path)
        self.catalogue = catalogue
        return catalogue
    }
}
