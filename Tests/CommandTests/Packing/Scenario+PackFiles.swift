import Basics
import Foundation
import Model
import Packs
import Store
import Testing

extension Scenario {
    /// Moves loose blobs of the store into packs.
    ///
    /// - Parameters:
    ///   - count: how many packs, each of which gets a share.
    ///   - isCopy: the loose ones stay.
    ///   - spoiled: the path of one that is written as what it is not.
    /// - Returns: the packs.
    @discardableResult
    func pack(into count: Int = 1, isCopy: Bool = false, spoiling spoiled: String? = nil) throws -> [PackName] {
        var store = try Store(path: store)
        try PackKeeper.prepare(&store)
        let keeper = PackKeeper(store)
        let writers = try (0..<count).map { _ in try keeper.newPack() }
        let paths = try StoreDigest.files(store.blobsPath).map { "\(store.blobsPath)/\($0)" }
        for (place, path) in paths.enumerated() {
            let name = try #require(BlobName(String(path.split(separator: "/").last ?? "")))
            var content = try Files.read(path, limit: 1 << 28)
            if path == spoiled { content[0] ^= 1 }
            let written = try content.withUnsafeBytes { try writers[place % count].append(name, $0) }
            #expect(written != nil)
        }
        let packs = try writers.compactMap { try $0.finish(in: keeper.folder)?.name }
        try keeper.commit(adding: packs)
        if !isCopy { for path in paths { try Files.remove(path) } }
        return packs
    }

    var packFolder: PackFolder { PackFolder(path: "\(store)/packs") }

    /// The path of a pack.
    func path(_ pack: PackName) -> String { packFolder.path(of: pack) }

    /// The packs that are there.
    var packs: [PackName] {
        get throws {
            var packs: [PackName] = []
            try packFolder.forEach { packs.append($0) }
            return packs
        }
    }

    /// The records of a pack, in the order of the file.
    func records(_ pack: PackName) throws -> [PackRecord] {
        var records: [PackRecord] = []
        try PackFile(path: path(pack)).forEachRecord { records.append($0) }
        return records
    }

    /// The rows whose content is a record.
    func rows(of record: PackRecord) -> [Row] {
        rows.filter { !$0.isMarker && blob($0).hasSuffix("/\(record.name.file)") }
    }

    /// The contents of all keys in the newest view.
    func expectAllReadable(sourceLocation: SourceLocation = #_sourceLocation) throws {
        let export = "\(directory)/export-\(UInt32.random(in: 0 ... .max))"
        let run = try run(["export", export, "--store", store])
        #expect(run.status == 0, "\(run)", sourceLocation: sourceLocation)
        for row in rows where row.isLatest && !row.isMarker {
            let content = try? Files.read("\(export)/\(row.key)", limit: 1 << 28)
            #expect(content?.isSame(as: row.content) == true, "\(row.key)", sourceLocation: sourceLocation)
        }
        try Files.removeAll(export)
    }
}
