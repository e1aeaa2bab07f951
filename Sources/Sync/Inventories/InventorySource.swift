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

    /// Inventories that are on the local disk, in any directory.
    init(directory: String, _ store: Store, _ client: S3Client) {
        text = directory
        url = .file(path: directory)
        self.store = store
        self.client = client
    }

    /// The names of all folders that are named like inventories, oldest first, complete or not. Takes one listing of the
    /// prefix with a delimiter.
    func folders() throws -> [String] {
        switch url {
        case .file(let path):
            guard Files.exists(path) else {
                throw IcecoreError(.notFound, "the inventory directory '\(path)' does not exist")
            }
            return try Files.names(in: path).filter { InventoryName.isValid($0) }.sorted(by: KeptInventory.isEarlier)
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

    /// The names of all inventories, oldest first, but for those of which a look shows that they are not complete.
    func names() throws -> [String] {
        let folders = try folders()
        guard case .file(let path) = url else { return folders }
        return folders.filter { Files.exists("\(path)/\($0)/manifest.json") }
    }

    /// Gets an inventory's manifest and checks it.
    func manifest(_ name: String) throws -> FetchedManifest {
        try document(name).manifest()
    }

    /// Gets an inventory's manifest and compares it with its checksum.
    func document(_ name: String) throws -> FetchedDocument {
        let origin = "\(text.hasSuffix("/") ? text : text + "/")\(name)/manifest.json"
        var attempt = 0
        while true {
            let json = try content(name, "manifest.json", limit: InventorySource.largestManifest)
            let checksum = try content(name, "manifest.checksum", limit: 4096)
            do {
                try InventoryManifest.check(json: json, checksum: checksum, origin: origin)
            } catch {
                // A server or disk may return it damaged once and intact the next time: three attempts.
                attempt += 1
                if attempt < 3 { continue }
                throw error
            }
            return FetchedDocument(
                json: json, checksum: checksum, origin: origin, named: InventoryName.timestamp(name))
        }
    }

    /// Refuses an inventory of another bucket.
    func check(_ found: FetchedManifest, _ name: String) throws(IcecoreError) {
        let (listed, expected) = (found.manifest.sourceBucket, store.configuration.listedBucket)
        guard listed != expected else { return }
        throw IcecoreError(
            .invalidData,
            "the inventory \(name) lists the bucket '\(listed)', but the store is for '\(expected)': nothing was "
                + "changed. If both are names of one bucket (an access point, a replica), say so with --source-bucket "
                + "\(listed) at 'icecore init', or \"sourceBucket\" : \"\(listed)\" in \(store.configurationPath)")
    }

    private func content(_ name: String, _ file: String, limit: Int) throws -> [UInt8] {
        do {
            switch url {
            case .file(let path):
                return try Files.read("\(path)/\(name)/\(file)", limit: limit)
            case .s3(let bucket, let prefix):
                return try failing("get") {
                    try client.get(bucket: bucket, key: Array("\(prefix)\(name)/\(file)".utf8), limit: limit).bytes
                }
            }
        } catch let error as IcecoreError where error.code == .notFound {
            throw IcecoreError(.notFound, "the inventory \(name) is not complete: there is no '\(place(name))/\(file)'")
        }
    }

    /// The folder of an inventory, for messages.
    private func place(_ name: String) -> String {
        switch url {
        case .file(let path): "\(path)/\(name)"
        case .s3: "\(text.hasSuffix("/") ? text : text + "/")\(name)"
        }
    }

    /// The first bytes of an inventory's first list file; nil if it has none.
    func beginning(_ name: String, _ found: FetchedManifest, limit: Int) throws -> [UInt8]? {
        guard let file = found.manifest.files.first else { return nil }
        let count = min(file.size ?? .max, Int64(limit))
        guard count > 0 else { return [] }
        switch url {
        case .file(let directory):
            let path = try ListFilePlaces(name: name).paths(of: [file], in: directory, readsThem: false).first
            return try path.map { try Files.beginning($0, limit: limit) }
        case .s3(let bucket, let prefix):
            let places = ListFilePlaces(name: name).places(
                destination: found.manifest.destinationBucket, bucket: bucket, prefix: prefix)
            return try failing("get") {
                for place in places {
                    do {
                        return try client.get(
                            bucket: place.bucket, key: place.key(of: file), range: 0..<count, limit: limit
                        ).bytes
                    } catch let failure as S3Failure where failure.isNotFound || failure.status == 403 {
                        continue
                    }
                }
                throw IcecoreError(.notFound, ListFilePlaces(name: name).nowhere(file, places))
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
            paths = try ListFilePlaces(name: name).paths(of: found.manifest.files, in: directory)
        case .s3(let bucket, let prefix):
            let places = ListFilePlaces(name: name).places(
                destination: found.manifest.destinationBucket, bucket: bucket, prefix: prefix)
            paths = try download(name, found, from: places, progress)
        }
        return FetchedInventory(name: name, manifest: found.manifest, md5: found.md5, paths: paths)
    }

    /// Fetches list files into `inventories/<name>/data/`; those that are already there are kept.
    private func download(
        _ name: String, _ found: FetchedManifest, from places: [ListFilePlaces.Remote],
        _ progress: (_ done: Int, _ of: Int) -> Void
    ) throws -> [String] {
        let directory = "\(store.inventoriesPath)/\(name)"
        try Files.createDirectories("\(directory)/data")
        let files = found.manifest.files
        // Fetched to where they are kept, so that nothing is copied afterwards.
        let paths = KeptInventory.fileNames(found.manifest).map { "\(directory)/data/\($0)" }
        // A file gets its final name only once its MD5 is right; the reader checks it again.
        var wanted = try files.indices.filter { try !InventorySource.isWhole(paths[$0], files[$0]) }
        progress(files.count - wanted.count, files.count)
        var refusal: S3Failure?
        var isLacking = false
        // What is not asked for in a place, because the first ones are not there.
        var passedOver: [(place: ListFilePlaces.Remote, files: ArraySlice<Int>)] = []
        func look(in place: ListFilePlaces.Remote, for some: [Int], isThorough: Bool) throws {
            let downloads = some.map { index in
                // In tmp/, because among the list files a temporary name could be one of theirs.
                S3Download(
                    bucket: place.bucket, key: place.key(of: files[index]),
                    path: "\(store.temporaryPath)/list-\(index)",
                    md5: files[index].md5, size: files[index].size)
            }
            let before = wanted.count
            let (done, asked, failure) = try fetch(downloads, to: some.map { paths[$0] }, isThorough) { fetched in
                progress(files.count - before + fetched, files.count)
            }
            let found = Set(done.map { some[$0] })
            wanted.removeAll { found.contains($0) }
            if asked < some.count { passedOver.append((place, some[asked...])) }
            if case .s3(let own, _) = url, place.bucket == own, failure?.isNotFound ?? false { isLacking = true }
            guard let failure, refusal.map({ failure.saysMore(than: $0) }) ?? true else { return }
            refusal = failure
        }
        for place in places where !wanted.isEmpty { try look(in: place, for: wanted, isThorough: false) }
        // They are not all in one place: then each is looked for everywhere.
        if wanted.count < files.count {
            for (place, some) in passedOver {
                let missing = some.filter { wanted.contains($0) }
                if !missing.isEmpty { try look(in: place, for: missing, isThorough: true) }
            }
        }
        if let first = wanted.first {
            if let refusal, refusal.kind == .corrupt || (!refusal.isNotFound && !isLacking) {
                try failing("get") { throw refusal }
            }
            let refused = refusal.map { $0.isNotFound ? "" : "; \($0.asError.message)" } ?? ""
            throw IcecoreError(.notFound, ListFilePlaces(name: name).nowhere(files[first], places) + refused)
        }
        try Files.synchronizeDirectory("\(directory)/data")
        return paths
    }

    /// Fetches list files from one place; each gets its final path once it is whole.
    ///
    /// - Parameter isThorough: all are asked for, even if the first ones are not there.
    /// - Returns: which of them were there, how many were asked for, and why the others could not be had.
    private func fetch(
        _ downloads: [S3Download], to paths: [String], _ isThorough: Bool, _ progress: (_ done: Int) -> Void
    ) throws -> (done: Set<Int>, asked: Int, failure: S3Failure?) {
        var done: Set<Int> = []
        var refused = 0
        var asked = 0
        var refusal: S3Failure?
        var failure: (any Error)?
        try withoutActuallyEscaping(progress) { progress in
            try failing("get") {
                // Where the first ones are not, the others need not be asked for.
                let worthwhile = downloads.lazy.prefix { _ in isThorough || refused < 8 || !done.isEmpty }.map {
                    asked += 1
                    return $0
                }
                try client.download(
                    worthwhile,
                    refused: { _, failure in
                        // Another file can have the name of this one.
                        guard failure.status == 404 || failure.status == 403 || failure.kind == .corrupt else {
                            return false
                        }
                        refused += 1
                        if refusal.map({ failure.saysMore(than: $0) }) ?? true { refusal = failure }
                        return true
                    }
                ) { index, _ in
                    do {
                        try File(downloads[index].path, O_RDONLY).synchronize()
                        try Files.rename(downloads[index].path, paths[index])
                        done.insert(index)
                        progress(done.count)
                    } catch {
                        failure = error
                    }
                }
                if let failure { throw failure }
            }
        }
        return (done, asked, refusal)
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

extension S3Failure {
    /// A file that is there and wrong says more than a place that may not be read, and that more than one that lacks it.
    fileprivate func saysMore(than other: S3Failure) -> Bool {
        func rank(_ failure: S3Failure) -> Int { failure.kind == .corrupt ? 2 : failure.isNotFound ? 0 : 1 }
        return rank(self) > rank(other)
    }
}
