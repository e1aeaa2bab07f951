import Basics
import S3

/// The names of all blobs and packs of a replica, or of all files of inventories, in compressed parts.
struct ReplicaManifest: Codable, Equatable {
    var parts: [ReplicaPiece]

    /// Calls `body` with every name in a part: one per line; text after a tab is left to later formats.
    ///
    /// - Parameters:
    ///   - bytes: the part's uncompressed content.
    ///   - place: the part's name for messages.
    static func forEachName(in bytes: [UInt8], _ place: String, _ body: (ReplicaItem) throws -> Void) throws {
        // Line by line: an array of all lines would take many times the memory.
        var start = 0
        while start < bytes.count {
            let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
            defer { start = end + 1 }
            if start == end { continue }
            let name = String(
                decoding: bytes[start..<end].prefix { $0 != UInt8(ascii: "\t") }.prefix(400), as: UTF8.self)
            guard let item = ReplicaItem(name) else {
                throw IcecoreError(
                    .damaged,
                    "\(place) is damaged: '\(Display.text(name, limit: 100))' is not the name of anything in a replica")
            }
            try body(item)
        }
    }
}
