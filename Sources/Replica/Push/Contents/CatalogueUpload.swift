import Basics
import Glibc
import Packs
import Upload

/// Writes the catalogue of the replica's packs: parts that are new, beside those that stay.
struct CatalogueUpload {
    private let context: PushContext
    private let base: PushBase
    private let plan: PushPlan
    private let write: (String, [UInt8]) throws -> Void
    /// What new parts are made of, and about how many bytes each needs.
    private var sources: [(source: EntrySource, length: Int64)] = []
    private var kept: [ReplicaPiece] = []
    private var lastNumber: UInt32 = 0
    private var files: [String] = []

    private enum EntrySource {
        case pack(PackFile, PackName, UInt32)
        case part(PackCatalogue, keeping: Set<PackName>)
        /// Of the store's own catalogue, whose numbers mean nothing here.
        case store(PackCatalogue, keeping: Set<PackName>)
    }

    /// More small parts than this are merged into fewer.
    private static let mostSmall = 40
    private static let entryLength: Int64 = 25

    /// - Parameter write: puts a part at its path.
    static func run(
        _ context: PushContext, _ base: PushBase, _ plan: PushPlan, write: @escaping (String, [UInt8]) throws -> Void
    ) throws -> ReplicaCatalogue? {
        var upload = CatalogueUpload(context: context, base: base, plan: plan, write: write)
        defer { for file in upload.files { unlink(file) } }
        return try upload.catalogue()
    }

    private init(
        context: PushContext, base: PushBase, plan: PushPlan, write: @escaping (String, [UInt8]) throws -> Void
    ) {
        (self.context, self.base, self.plan, self.write) = (context, base, plan, write)
    }

    private mutating func catalogue() throws -> ReplicaCatalogue? {
        var wanted: [PackName: Int64] = [:]
        var new: Set<PackName> = []
        try context.records.forEachBlob(prefix: "p-") { name, state in
            guard state != .unconfirmed, !plan.deletions.droppedBlobs.contains(name),
                case .pack(let pack, let size)? = ReplicaItem(name)
            else { return }
            wanted[pack] = size
            if state == .uploaded { new.insert(pack) }
        }
        guard !wanted.isEmpty else { return nil }
        let old = base.head?.metadata.catalogue
        let isChecking = context.options.isChecking
        lastNumber = isChecking ? 0 : old?.lastNumber ?? 0
        let small = (old?.parts ?? []).filter { $0.size < ReplicaCatalogue.partLength / 2 }
        if let old, base.manifest != nil, !plan.deletions.changesManifest, small.count <= CatalogueUpload.mostSmall {
            kept = old.parts
        } else {
            new = Set(wanted.keys)
            if isChecking { for pack in new where try addOwn(pack, isSuspect: true) { new.remove(pack) } }
            try addOld(old, small.count > CatalogueUpload.mostSmall ? small : [], &new)
        }
        if context.isOwnPlace { try addFromStore(&new) }
        for pack in new where try !addOwn(pack, isSuspect: false) {
            context.note("warning: no catalogue has the pack \(pack) of the replica: it is left out")
            if let size = wanted.removeValue(forKey: pack) {
                try context.records.forget(ReplicaItem.pack(pack, size: size).name)
            }
        }
        guard !wanted.isEmpty else { return nil }
        let parts = kept + (try writeParts())
        return ReplicaCatalogue(
            parts: parts, lastNumber: lastNumber, packs: Int64(wanted.count),
            packBytes: wanted.values.reduce(0) { $0.addingClamped($1) })
    }

    // MARK: - What there is

    /// Takes what the parts of the old catalogue have of some packs. Parts that stay as they are stay.
    private mutating func addOld(
        _ old: ReplicaCatalogue?, _ small: [ReplicaPiece], _ rest: inout Set<PackName>
    ) throws {
        let merged = Set(small.map(\.path))
        for (number, part) in (old?.parts ?? []).enumerated() where !rest.isEmpty {
            let found: PackCatalogue
            do {
                let path = "\(context.store.path)/replicas/\(context.replicaId).packs-\(number)"
                files.append(path)
                try ReplicaCatalogue.write(try context.replica.content(part), to: path)
                found = try PackCatalogue(path: path)
            } catch let error as IcecoreError where error.code == .damaged {
                context.note("warning: \(error)")
                continue
            }
            let names = Set(found.packs.values)
            let wanted = names.intersection(rest)
            if wanted.isEmpty { continue }
            rest.subtract(wanted)
            if wanted == names, !merged.contains(part.path), !context.options.isChecking {
                kept.append(part)
            } else {
                // Numbers that are kept must not be given to others.
                lastNumber = max(lastNumber, found.packs.keys.max() ?? 0)
                sources.append((.part(found, keeping: wanted), found.count * CatalogueUpload.entryLength))
            }
        }
    }

    /// Takes what the store's own catalogue has of packs that are nowhere but in the replica.
    private mutating func addFromStore(_ new: inout Set<PackName>) throws {
        guard let catalogue = try context.store.packs.current(), !new.isEmpty else { return }
        let found = catalogue.packs.filter { new.contains($0.value) }.sorted { $0.key < $1.key }
        let length = max(1, catalogue.count * CatalogueUpload.entryLength / Int64(max(1, catalogue.packs.count)))
        let most = max(1, Int(ReplicaCatalogue.partLength / 2 / length))
        for start in stride(from: 0, to: found.count, by: most) {
            let group = Set(found[start..<min(start + most, found.count)].map(\.value))
            sources.append((.store(catalogue, keeping: group), Int64(group.count) * length))
        }
        new.subtract(found.map(\.value))
    }

    /// Takes the directory of a pack: the store's own, or that of a replica in a directory.
    ///
    /// - Parameter isSuspect: all of the directory is checked first, and only the store's own counts.
    private mutating func addOwn(_ name: PackName, isSuspect: Bool) throws -> Bool {
        var paths = [context.store.packs.folder.path(of: name)]
        if !isSuspect, case .directory(let root) = context.replica.url { paths.append("\(root)/packs/\(name.path)") }
        for path in paths {
            guard let pack = try? PackFile(path: path) else { continue }
            if isSuspect, (try? pack.entrySum()) == nil { continue }
            guard lastNumber < .max else {
                throw IcecoreError(.damaged, "the catalogue of the replica's packs has no number left for another pack")
            }
            lastNumber += 1
            let length = Int64(pack.count) * CatalogueUpload.entryLength
            sources.append((.pack(pack, name, lastNumber), length))
            return true
        }
        return false
    }

    // MARK: - Writing

    private mutating func writeParts() throws -> [ReplicaPiece] {
        var parts: [ReplicaPiece] = []
        var group: [EntrySource] = []
        var length: Int64 = 0
        for (source, size) in sources {
            // Each source may be an open file.
            if !group.isEmpty, length + size > ReplicaCatalogue.partLength || group.count >= 96 {
                parts.append(try writePart(group, parts.count))
                (group, length) = ([], 0)
            }
            group.append(source)
            length += size
        }
        if !group.isEmpty { parts.append(try writePart(group, parts.count)) }
        return parts
    }

    private mutating func writePart(_ group: [EntrySource], _ number: Int) throws -> ReplicaPiece {
        var merge = CatalogueMerge()
        for source in group {
            switch source {
            case .pack(let pack, let name, let number): try merge.add(pack, number: number, name)
            case .part(let catalogue, let kept):
                try merge.add(catalogue) { number in catalogue.packs[number].map { kept.contains($0) } ?? false }
            case .store(let catalogue, let kept):
                lastNumber = try merge.append(catalogue, after: lastNumber, renumbering: kept.contains)
            }
        }
        let path = "\(context.store.path)/replicas/\(context.replicaId).packs-new"
        defer { unlink(path) }
        try merge.write(to: path)
        let bytes = try Files.read(path, limit: Int(ReplicaPiece.largest))
        let target = ReplicaFormat.cataloguePath(number, in: plan.path)
        try write(target, try bytes.withUnsafeBytes { try Gzip.compress($0) })
        return ReplicaPiece(path: target, sha256: Hex.encode(SHA256.digest(bytes)), size: Int64(bytes.count))
    }
}
