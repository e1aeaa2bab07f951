import Basics
import Glibc
import Packs

/// What lies in the packs of a store, by their trailers: two reads a pack.
public struct PackedContents: Sendable {
    public private(set) var packs = 0
    public private(set) var contents: Int64 = 0
    public private(set) var contentBytes: Int64 = 0
    /// Of the files.
    public private(set) var fileBytes: Int64 = 0

    /// Opens every pack of the catalogue. One that has vanished or is damaged does not count.
    public init(_ store: Store) throws {
        for name in try store.packs.current().map({ Array($0.packs.values) }) ?? [] {
            try Interruption.check()
            do {
                let pack = try PackFile(path: store.packs.folder.path(of: name))
                packs += 1
                contents += Int64(pack.count)
                contentBytes = contentBytes.addingClamped(pack.contentBytes)
                fileBytes = fileBytes.addingClamped(pack.size)
            } catch let error as IcecoreError {
                if error.errno == EMFILE || error.errno == ENFILE { throw error }
            }
        }
    }
}
