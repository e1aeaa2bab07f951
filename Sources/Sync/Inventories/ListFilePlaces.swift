import Basics
import Download
import Inventory
import S3

/// Where the list files of an inventory are looked for: where its manifest says, and where tools put them that copy or
/// make inventories. The MD5 in the manifest decides whether what is there is the file.
struct ListFilePlaces {
    /// The inventory's name.
    let name: String
    /// The most folders below the manifest's own that are looked into.
    private static let mostFolders = 100

    /// The last component of a list file's key.
    private static func last(_ key: String) -> String {
        key.split(separator: "/", omittingEmptySubsequences: false).last.map(String.init) ?? key
    }

    private static func isPlain(_ component: Substring) -> Bool {
        !component.isEmpty && component != "." && component != ".."
    }

    // MARK: - In a directory

    /// The path of each list file of an inventory in a directory. Of several that could be the one, that which has the
    /// right size and the right MD5.
    ///
    /// - Parameter readsThem: the MD5 may be computed, where the size does not decide.
    /// - Throws: `notFound` for the first that is nowhere, with the paths at which it was looked for; `invalidData` if
    ///   something else is in its place, such as a FIFO.
    func paths(
        of files: [InventoryManifest.ListFile], in directory: String, readsThem: Bool = true
    ) throws -> [String] {
        let own = "\(directory)/\(name)"
        let folders = try Files.names(in: own).filter { Files.size("\(own)/\($0)") == nil }.prefix(Self.mostFolders)
        return try files.map { file in
            let candidates = try candidates(file.key, in: directory)
            let below = folders.map { "\(own)/\($0)/\(Self.last(file.key))" }
            if let found = try choose(candidates + below, file, readsThem) { return found }
            throw IcecoreError(
                .notFound,
                "the inventory \(name) is not complete: its list file '\(Display.escaped(file.key))' is neither "
                    + candidates.map { "'\(Display.escaped($0))'" }.joined(separator: " nor ")
                    + ", nor in a folder of '\(own)'")
        }
    }

    private func choose(
        _ paths: [String], _ file: InventoryManifest.ListFile, _ readsThem: Bool
    ) throws -> String? {
        var found: [String] = []
        var other: String?
        for path in paths where !found.contains(path) {
            if Files.isRegular(path) { found.append(path) } else if Files.exists(path) { other = other ?? path }
        }
        guard let first = found.first else {
            guard let other else { return nil }
            throw IcecoreError(
                .invalidData,
                "the inventory \(name) has a list file that is no file: '\(Display.escaped(other))' is a directory, a "
                    + "FIFO, or another thing that cannot be read to its end")
        }
        if found.count == 1 { return first }
        let fitting = found.filter { path in file.size.map { Files.length(path) == $0 } ?? true }
        if fitting.count == 1 || !readsThem { return fitting.first ?? first }
        // Without one that fits, the reader says what is wrong.
        return try fitting.first { try ContentCheck.md5($0) == file.md5 } ?? fitting.first ?? first
    }

    private func candidates(_ key: String, in directory: String) throws(IcecoreError) -> [String] {
        let last = Self.last(key)
        guard !key.utf8.contains(0), Self.isPlain(last[...]) else {
            throw IcecoreError(
                .invalidData,
                "the inventory \(name) names a list file '\(Display.escaped(key))', which cannot be a file")
        }
        // A key that climbs out of the directory names nothing inside it.
        let isPath = key.split(separator: "/", omittingEmptySubsequences: false).allSatisfy(Self.isPlain)
        return ["\(directory)/data/\(last)"] + (isPath ? ["\(directory)/\(key)"] : [])
            + ["\(directory)/\(name)/data/\(last)", "\(directory)/\(name)/\(last)"]
            + (isPath && key != last ? ["\(directory)/\(name)/\(key)"] : [])
    }

    // MARK: - In a bucket

    /// One place for all list files of an inventory.
    struct Remote {
        let bucket: String
        /// What precedes the last component of a key; nil: the key as the manifest has it.
        let prefix: String?

        func key(of file: InventoryManifest.ListFile) -> [UInt8] {
            Array((prefix.map { $0 + last(file.key) } ?? file.key).utf8)
        }
    }

    /// The places to try, one after the other, for an inventory below a prefix of a bucket.
    ///
    /// - Parameter destination: the bucket that the manifest names.
    func places(destination: String?, bucket: String, prefix: String) -> [Remote] {
        // What cannot be the name of a bucket of S3 is one of an imitation, whose files were copied here.
        let destination = destination.flatMap { S3Location.isBucketName($0) ? $0 : nil }
        var places = [Remote(bucket: destination ?? bucket, prefix: nil)]
        if let destination, destination != bucket { places.append(Remote(bucket: bucket, prefix: nil)) }
        return places
            + ["data/", "\(name)/data/", "\(name)/files/", "\(name)/"].map {
                Remote(bucket: bucket, prefix: prefix + $0)
            }
    }

    /// What to say of a list file that is at none of these places.
    func nowhere(_ file: InventoryManifest.ListFile, _ places: [Remote]) -> String {
        var urls: [String] = []
        for place in places {
            let url = "'s3://\(place.bucket)/\(Display.text(place.key(of: file), limit: 1024))'"
            if !urls.contains(url) { urls.append(url) }
        }
        return "the inventory \(name) is not complete: its list file is neither \(urls.joined(separator: " nor "))"
    }
}
