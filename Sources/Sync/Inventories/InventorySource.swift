import Basics
import Download
import Glibc
import Inventory
import Model
import S3
import Store

/// Where the inventories of a store's bucket come from.
public struct InventorySource {
    private let url: InventoryURL
    private let text: String
    private let client: S3Client
    private let store: Store
    private static let largestManifest = InventoryManifest.largestJSON

    /// - Throws: `notFound` for a store that has no inventory.
    init(_ store: Store, _ client: S3Client) throws {
        guard let text = store.configuration.inventory else {
            throw IcecoreError(
                .notFound, "the store has no inventory to sync from: add \"inventory\" to \(store.configurationPath)")
        }
        self.text = text
        self.store = store
        self.client = client
        url = try InventoryURL(text)
    }

    /// The names of all inventories, oldest first. Takes one listing of the prefix with a delimiter.
    func names() throws -> [String] {
        switch url {
        case .file(let path):
            guard Files.exists(path) else {
                throw IcecoreError(.notFound, "the inventory directory '\(path)' does not exist")
            }
            return try Files.names(in: path).filter {
                InventoryName.isValid($0) && Files.exists("\(path)/\($0)/manifest.json")
            }
        case .s3(let bucket, let prefix):
            let prefixes = try failing("list") {
                try client.listPrefixes(bucket: bucket, prefix: Array(prefix.utf8))
            }
            return prefixes.compactMap { found in
                let name = String(decoding: found.dropFirst(prefix.utf8.count).dropLast(), as: UTF8.self)
                return InventoryName.isValid(name) ? name : nil
            }.sorted()
        }
    }

    /// Gets an inventory's manifest and checks it.
    func manifest(_ name: String) throws -> FetchedManifest {
        let origin = "\(text.hasSuffix("/") ? text : text + "/")\(name)/manifest.json"
        var attempt = 0
        while true {
            let json = try content("\(name)/manifest.json", limit: InventorySource.largestManifest)
            let checksum = try content("\(name)/manifest.checksum", limit: 4096)
            do {
                try InventoryManifest.check(json: json, checksum: checksum, origin: origin)
            } catch {
                // A server or disk may return it damaged once and intact the next time: three attempts.
                attempt += 1
                if attempt < 3 { continue }
                throw error
            }
            return FetchedManifest(
                manifest: try InventoryManifest(json: json, origin: origin, named: InventoryName.timestamp(name)),
                json: json, checksum: checksum)
        }
    }

    private func content(_ name: String, limit: Int) throws -> [UInt8] {
        switch url {
        case .file(let path):
            return try Files.read("\(path)/\(name)", limit: limit)
        case .s3(let bucket, let prefix):
            return try failing("get") {
                try client.get(bucket: bucket, key: Array((prefix + name).utf8), limit: limit).bytes
            }
        }
    }

    /// Makes sure that all list files of an inventory are on the local disk: those of `file://` stay where they are,
    /// others are fetched into the store's `inventories/`.
    func fetch(
        _ name: String, _ found: FetchedManifest, progress: (_ done: Int, _ of: Int) -> Void
    ) throws -> FetchedInventory {
        let paths: [String]
        switch url {
        case .file(let directory):
            paths = try found.manifest.files.map { try InventorySource.local($0.key, name: name, in: directory) }
        case .s3(let bucket, _):
            paths = try download(name, found, from: found.manifest.destinationBucket ?? bucket, progress)
        }
        return FetchedInventory(name: name, manifest: found.manifest, md5: found.md5, paths: paths)
    }

    /// Where a list file of a `file://` inventory is: `dir/data/<last component>`, else `dir/<key>`.
    private static func local(_ key: String, name: String, in directory: String) throws -> String {
        let last = key.split(separator: "/", omittingEmptySubsequences: false).last.map(String.init) ?? key
        let isPlain = { (component: Substring) in !component.isEmpty && component != "." && component != ".." }
        guard !key.utf8.contains(0), isPlain(last[...]) else {
            throw IcecoreError(.invalidData, "the inventory \(name) names a list file '\(key)', which cannot be a file")
        }
        var candidates = ["\(directory)/data/\(last)"]
        // A key that climbs out of the directory names nothing inside it.
        if key.split(separator: "/", omittingEmptySubsequences: false).allSatisfy(isPlain) {
            candidates.append("\(directory)/\(key)")
        }
        candidates.append("\(directory)/\(name)/data/\(last)")
        if let found = candidates.first(where: { Files.exists($0) }) { return found }
        throw IcecoreError(
            .notFound,
            "the inventory \(name) lacks its list file '\(key)': neither "
                + candidates.dropLast().map { "'\($0)'" }.joined(separator: " nor ") + " exists")
    }

    /// Fetches list files into `inventories/<name>/data/`; those that are already there are kept.
    private func download(
        _ name: String, _ found: FetchedManifest, from bucket: String, _ progress: (_ done: Int, _ of: Int) -> Void
    ) throws -> [String] {
        let directory = "\(store.inventoriesPath)/\(name)"
        try Files.createDirectories("\(directory)/data")
        let files = found.manifest.files
        // Fetched to where they are kept, so that nothing is copied afterwards.
        let paths = KeptInventory.fileNames(found.manifest).map { "\(directory)/data/\($0)" }
        // A file gets its final name only once its MD5 is right; the reader checks it again.
        let wanted = try files.indices.filter { try !InventorySource.isWhole(paths[$0], files[$0]) }
        var done = files.count - wanted.count
        progress(done, files.count)
        // In tmp/, because among the list files a temporary name could be one of theirs.
        let temporaries = wanted.map { "\(store.temporaryPath)/list-\($0)" }
        let downloads = zip(wanted, temporaries).map { index, path in
            S3Download(
                bucket: bucket, key: Array(files[index].key.utf8), path: path, md5: files[index].md5,
                size: files[index].size)
        }
        try withoutActuallyEscaping(progress) { progress in
            try failing("get") {
                var failure: (any Error)?
                try client.download(downloads) { place, _ in
                    do {
                        try File(temporaries[place], O_RDONLY).synchronize()
                        try Files.rename(temporaries[place], paths[wanted[place]])
                    } catch {
                        failure = error
                    }
                    done += 1
                    progress(done, files.count)
                }
                if let failure { throw failure }
            }
        }
        try Files.synchronizeDirectory("\(directory)/data")
        return paths
    }

    /// Whether a list file that was fetched earlier is still what the manifest says.
    static func isWhole(_ path: String, _ file: InventoryManifest.ListFile) throws -> Bool {
        guard let size = Files.size(path), size == file.size ?? size else { return false }
        return try ContentCheck.md5(path) == file.md5
    }

    /// Adds to a failure what it was about.
    private func failing<Result>(_ action: String, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let failure as S3Failure {
            let error = failure.asError
            throw IcecoreError(error.code, "cannot \(action) the inventory \(text): \(error.message)")
        }
    }
}
