import Basics

/// The name of a pack: the SHA-256 of the whole file.
public struct PackName: Hashable, Sendable, CustomStringConvertible {
    /// 32 bytes.
    public let digest: [UInt8]

    /// Nil unless there are 32 bytes.
    public init?(digest: [UInt8]) {
        guard digest.count == 32 else { return nil }
        self.digest = digest
    }

    /// The name as the file has it; nil for anything but 64 lower-case hexadecimal digits.
    public init?(_ file: String) {
        guard let digest = Hex.decode(Array(file.utf8)), digest.count == 32, Hex.encode(digest) == file else {
            return nil
        }
        self.digest = digest
    }

    /// The file's name.
    public var description: String { Hex.encode(digest) }

    /// Where it is below `packs/`: `<2 hex>/<64 hex>`.
    public var path: String { "\(Hex.encode(digest.prefix(1)))/\(self)" }
}
