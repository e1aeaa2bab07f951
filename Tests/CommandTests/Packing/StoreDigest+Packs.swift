import Basics
import Packs

extension StoreDigest {
    /// The contents of a store, wherever they lie: the names that their files have or would have below `blobs/`, with the MD5
    /// of each.
    ///
    /// - Parameter passesOverDamage: whether packs that are damaged, or gone, have no contents; else that is an error.
    static func contents(_ store: String, passesOverDamage: Bool = false) throws -> [String: String] {
        try blobs(store).merging(packed(store, passesOverDamage: passesOverDamage)) { file, packed in
            file == packed ? file : "\(file) and \(packed)"
        }
    }

    /// The contents in packs that the catalogue lists, under the names that their files would have below `blobs/`, with the
    /// MD5 of each.
    static func packed(_ store: String, passesOverDamage: Bool = false) throws -> [String: String] {
        let packs = PackSet(path: "\(store)/packs")
        var digests: [String: String] = [:]
        for (_, name) in try packs.current()?.packs ?? [:] {
            let pack: PackFile
            do {
                pack = try PackFile(path: packs.folder.path(of: name))
            } catch {
                guard passesOverDamage else { throw error }
                continue
            }
            try pack.verify { record in
                let file = record.name.file
                let fan = (file.hasPrefix("x-") ? file.dropFirst(2) : file[...]).prefix(2)
                digests["\(fan)/\(file)"] = try pack.withContent(at: record.place, record.name) { bytes in
                    var digest = MD5()
                    digest.update(bytes)
                    return Hex.encode(digest.finalize())
                }
            } damaged: { _ in
            }
        }
        return digests
    }
}
