import Basics
import Glibc
import Inventory
import S3

/// A listing on the disk, finished or not: `<directory>/<name>/` with `listing.log`, list files in `data/`, and, once it is
/// finished, `manifest.json` and `manifest.checksum`.
final class ListingRecords {
    let directory: String
    /// What is complete, with its file whole.
    private(set) var pieces: [ListedPiece] = []
    /// How the bucket is listed, if that is known.
    private(set) var call: S3ListingCall?
    private let log: String
    var dataPath: String { "\(directory)/data" }

    private static let firstLine = "icecore-listing 1"
    private static let largestLog = 1 << 30

    /// Opens a listing, or begins it.
    init(_ directory: String) throws {
        self.directory = directory
        log = "\(directory)/listing.log"
        try Files.createDirectories("\(directory)/data")
        if Files.exists(log) { try read() }
        if call == nil {
            pieces = []
            try Files.remove(log)
        }
        try removeOthers()
    }

    /// Whether it is an inventory already.
    static func isFinished(_ directory: String) -> Bool {
        Files.size("\(directory)/manifest.json") != nil && Files.size("\(directory)/manifest.checksum") != nil
    }

    private func read() throws {
        let text = String(decoding: try Files.read(log, limit: Self.largestLog), as: UTF8.self)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.first.map(String.init) == Self.firstLine else { return }
        for line in lines.dropFirst().dropLast() {
            if line.hasPrefix("call ") { call = S3ListingCall(rawValue: String(line.dropFirst(5))) }
            guard let piece = ListedPiece(String(line)), try isWhole(piece) else { continue }
            pieces.append(piece)
        }
        // Pieces never overlap; if they do, none of it can be relied on.
        pieces.sort { $0.range.lower.lexicographicallyPrecedes($1.range.lower) }
        for (piece, next) in zip(pieces, pieces.dropFirst()) {
            guard let upper = piece.range.upper, !next.range.lower.lexicographicallyPrecedes(upper) else {
                pieces = []
                return
            }
        }
    }

    private func isWhole(_ piece: ListedPiece) throws -> Bool {
        guard let file = piece.file else { return true }
        let path = "\(dataPath)/\(file)"
        guard Files.size(path) == piece.size else { return false }
        var digest = MD5()
        let content = try File.regular(path)
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        while true {
            try Interruption.check()
            let count = try buffer.withUnsafeMutableBytes { bytes in
                let count = try content.read(into: bytes)
                digest.update(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
                return count
            }
            if count == 0 { break }
        }
        return digest.finalize() == piece.md5
    }

    /// Removes list files that are not complete.
    private func removeOthers() throws {
        let kept = Set(pieces.compactMap(\.file))
        for name in try Files.names(in: dataPath) where !kept.contains(name) {
            try Files.removeAll("\(dataPath)/\(name)")
        }
    }

    /// The first number that no list file has.
    var nextNumber: Int {
        (pieces.compactMap { $0.file.flatMap(ListedPiece.number) }.max() ?? 0) + 1
    }

    /// Writes down how the bucket is listed, which makes a listing one that can go on.
    func begin(_ call: S3ListingCall) throws {
        self.call = call
        try Files.replace(log, with: Array("\(Self.firstLine)\ncall \(call.rawValue)\n".utf8))
        for piece in pieces { try append(piece) }
    }

    /// Writes down a complete piece.
    func append(_ piece: ListedPiece) throws {
        let file = try File(log, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW)
        try Array("\(piece.line)\n".utf8).withUnsafeBytes { try file.write($0) }
    }

    /// Writes the manifest of a listing that is complete: from then on it is an inventory.
    func finish(_ pieces: [ListedPiece], bucket: String, created: Timestamp) throws {
        let files = pieces.sorted { $0.range.lower.lexicographicallyPrecedes($1.range.lower) }.compactMap { piece in
            piece.file.map {
                """
                {
                    "key" : "data/\($0)",
                    "size" : \(piece.size),
                    "MD5checksum" : "\(Hex.encode(piece.md5))"
                  }
                """
            }
        }
        let schema = call == .versions ? InventoryLines.schema : InventoryLines.objectSchema
        let manifest = Array(
            """
            {
              "sourceBucket" : "\(bucket)",
              "version" : "2016-11-30",
              "creationTimestamp" : "\(created.milliseconds)",
              "fileFormat" : "CSV",
              "fileSchema" : "\(schema.joined(separator: ", "))",
              "files" : [ \(files.joined(separator: ", ")) ]
            }

            """.utf8)
        guard manifest.count <= InventoryManifest.largestJSON else {
            throw IcecoreError(.unsupported, "the listing of \(bucket) has too many list files: \(files.count)")
        }
        try Files.synchronizeDirectory(dataPath)
        try Files.replace("\(directory)/manifest.checksum", with: Array("\(Hex.encode(MD5.digest(manifest)))\n".utf8))
        try Files.replace("\(directory)/manifest.json", with: manifest)
    }
}
