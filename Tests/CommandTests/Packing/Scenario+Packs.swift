import Basics
import Blobs
import Model
import Packs
import SQLite
import Store
import Testing

/// What a store has in packs.
struct PackedNames: Equatable {
    /// By pack: the bytes of its file, and the names of what is in it.
    var files: [String: Int64] = [:]
    var names: [String: [String]] = [:]

    var fileBytes: Int64 { files.values.reduce(0, +) }
    var allNames: [String] { names.values.flatMap { $0 } }
}

extension Scenario {
    /// Moves files of `blobs/`, in the order of their names, into packs of so many contents.
    ///
    /// - Parameter isMoved: by the name of a blob.
    func moveIntoPacks(_ count: Int, _ isMoved: (String) throws -> Bool = { _ in true }) throws {
        var store = try Store(path: self.store)
        let lock = try StoreLock(store, command: "a test")
        defer { withExtendedLifetime(lock) {} }
        try PackKeeper.prepare(&store)
        let keeper = PackKeeper(store)
        try keeper.settle()
        var packs: [PackName] = []
        var moved: [String] = []
        var writer = try keeper.newPack()
        func finish() throws {
            if let pack = try writer.finish(in: keeper.folder) { packs.append(pack.name) }
        }
        for file in try StoreDigest.files(store.blobs.path) {
            guard let name = BlobName(String(file.dropFirst(3))), try isMoved(name.file) else { continue }
            let path = "\(store.blobs.path)/\(file)"
            let content = try Files.read(path, limit: 1 << 26)
            if writer.count == count || writer.refuses(name) {
                try finish()
                writer = try keeper.newPack()
            }
            let place = try content.withUnsafeBytes { try writer.append(name, $0) }
            try #require(place != nil)
            moved.append(path)
        }
        try finish()
        try keeper.commit(adding: packs)
        for path in moved { try Files.remove(path) }
    }

    /// What the packs have that the catalogue lists. Nothing else is in `packs/`.
    func packed() throws -> PackedNames {
        let packs = PackSet(path: "\(store)/packs")
        var found = PackedNames()
        for name in (try packs.current()?.packs ?? [:]).values {
            let path = packs.folder.path(of: name)
            found.files[name.description] = try #require(Files.size(path))
            var names: [String] = []
            try PackFile(path: path).verify({ names.append($0.name.file) }, damaged: { Issue.record("\($0)") })
            found.names[name.description] = names
        }
        var others = Set(try StoreDigest.files("\(store)/packs")).subtracting(["catalogue"])
        for name in found.files.keys { others.remove("\(name.prefix(2))/\(name)") }
        #expect(others.isEmpty)
        return found
    }

    /// What the index lists as doomed.
    func doomed() throws -> Set<String> {
        let index = try Connection("\(store)/index.sqlite", readOnly: true)
        let select = try index.prepare("SELECT name FROM doomed")
        var names: Set<String> = []
        while try select.step() { names.insert(String(decoding: select.bytes(0), as: UTF8.self)) }
        return names
    }

    /// A content, wherever the store has it.
    func content(named name: String) throws -> [UInt8]? {
        guard let name = BlobName(name), let place = try Store(path: store).blobs.find(name) else { return nil }
        let blob = try OpenBlob(place)
        var content = [UInt8](repeating: 0, count: Int(blob.size))
        try content.withUnsafeMutableBytes { try blob.read(into: $0, at: 0) }
        return content
    }
}
