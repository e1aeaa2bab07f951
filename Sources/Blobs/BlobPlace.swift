import Basics
import Glibc
import Model
import Packs

/// Where a content lies.
public enum BlobPlace: Sendable {
    /// A file of its own, by its path.
    case file(String)
    /// A record of a pack.
    case packed(PackedBlob)

    /// The path of the blob's own file; nil if it has none.
    public var path: String? {
        if case .file(let path) = self { return path }
        return nil
    }

    /// The name under which it was found.
    public var name: BlobName? {
        switch self {
        case .file(let path): BlobName(String(path.split(separator: "/").last ?? ""))
        case .packed(let packed): packed.record.name
        }
    }

    /// What messages call it.
    public var description: String {
        switch self {
        case .file(let path): path
        case .packed(let packed): "\(packed.record.name.file) in \(packed.pack.path)"
        }
    }
}

/// An open content: some bytes of an open file, which any number of threads may read.
public final class OpenBlob: @unchecked Sendable {
    // pread(2) leaves the descriptor's position alone.
    private let file: File?
    private let packed: PackedBlob?
    /// Where the content begins in the file that ``descriptor`` stands for.
    public let start: Int64
    /// In bytes.
    public let size: Int64
    /// For pread(2) and the like, for as long as this exists.
    public let descriptor: Int32

    /// Takes over an open file of its own.
    public init(_ file: consuming File) throws(IcecoreError) {
        start = 0
        size = try file.size()
        descriptor = file.descriptor
        packed = nil
        self.file = .some(file)
    }

    public init(_ packed: PackedBlob) {
        file = nil
        self.packed = packed
        start = packed.record.content.lowerBound
        size = packed.size
        descriptor = packed.pack.descriptor
    }

    /// Opens a content. No link is followed, and a FIFO is not waited for.
    public convenience init(_ place: BlobPlace) throws(IcecoreError) {
        switch place {
        case .file(let path): try self.init(File(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK))
        case .packed(let packed): self.init(packed)
        }
    }

    /// Fills the buffer with the bytes from `offset`; a content that ends before that is `damaged`.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(IcecoreError) {
        if let packed { return try packed.read(into: buffer, at: offset) }
        try file?.read(into: buffer, at: offset)
    }
}
