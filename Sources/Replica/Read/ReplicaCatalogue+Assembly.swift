import Basics
import Glibc
import Packs

extension ReplicaCatalogue {
    /// How many parts are open at a time.
    private static let width = 64

    /// Makes one catalogue of all parts.
    ///
    /// - Parameters:
    ///   - path: of the catalogue; what is there is replaced.
    ///   - content: the checked content of a part.
    func assemble(at path: String, _ content: (ReplicaPiece) throws -> [UInt8]) throws {
        var files: [String] = []
        defer { for file in files { unlink(file) } }
        do {
            for (number, part) in parts.enumerated() {
                try Interruption.check()
                files.append("\(path).part-\(number)")
                try ReplicaCatalogue.write(try content(part), to: "\(path).part-\(number)")
            }
            var level = 0
            while files.count > ReplicaCatalogue.width {
                let merged = "\(path).merged-\(level)"
                level += 1
                try ReplicaCatalogue.merge(files.prefix(ReplicaCatalogue.width), to: merged)
                for file in files.prefix(ReplicaCatalogue.width) { unlink(file) }
                files = files.dropFirst(ReplicaCatalogue.width) + [merged]
            }
            try ReplicaCatalogue.merge(files[...], to: path)
        } catch let error as IcecoreError where error.code == .invalidData {
            throw IcecoreError(.damaged, "the catalogue of the replica's packs is damaged: \(error)")
        }
    }

    private static func merge(_ files: ArraySlice<String>, to path: String) throws {
        var merge = CatalogueMerge()
        for file in files { try merge.add(try PackCatalogue(path: file)) { _ in true } }
        try merge.write(to: path)
    }

    /// Writes the content of a part into a file that belongs to this process.
    static func write(_ bytes: [UInt8], to path: String) throws {
        try Files.remove(path)
        let file = try File(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        try bytes.withUnsafeBytes { try file.write($0) }
        try file.close()
    }
}
