import Basics
import Glibc

/// What a store with a great many small files would gain from packs. An estimate, by the sums of the index.
public struct PackingAdvice: Hashable, Sendable {
    /// Contents that are files of their own.
    public let files: Int64
    /// Of each, in bytes.
    public let meanSize: Int64
    /// About how many bytes of the disk packs would free.
    public let bytes: Int64

    /// Fewer files are no trouble, and larger ones waste little.
    private static let fewest: Int64 = 1_000_000
    private static let largestMean: Int64 = 64 << 10
    /// Of an inode, and of what encloses a content in a pack.
    private static let inodeLength: Int64 = 256
    private static let recordLength: Int64 = 33

    /// Nil where there is nothing to gain that would be worth it.
    ///
    /// - Parameters:
    ///   - files: contents that are files of their own.
    ///   - bytes: of all of them.
    ///   - block: of the file system.
    public init?(files: Int64, bytes: Int64, block: Int64) {
        guard files >= PackingAdvice.fewest, bytes >= 0, block > 0 else { return nil }
        let mean = bytes / files
        guard mean < PackingAdvice.largestMean else { return nil }
        // The last block of a file is half empty; of files that are smaller than a block, most of the only one may be.
        let waste = max(block / 2, block - mean)
        self.files = files
        meanSize = mean
        self.bytes = files * max(0, waste + PackingAdvice.inodeLength - PackingAdvice.recordLength)
    }

    /// For the contents of a store that are not in its packs.
    public init?(_ store: Store, blobs: Int64, bytes: Int64, _ packed: PackedContents) {
        var status = statvfs()
        let block = statvfs(store.blobsPath, &status) == 0 ? Int64(status.f_frsize) : 4096
        self.init(files: blobs - packed.contents, bytes: bytes - packed.contentBytes, block: block)
    }
}
