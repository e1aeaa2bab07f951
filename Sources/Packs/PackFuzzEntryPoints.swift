import Basics
import Model

/// The readers of packs, for fuzzing without a file that has a name.
package enum PackFuzzEntryPoints {
    /// Reads whatever can be read of some bytes, as a pack and as a catalogue: as they are, and with checks that agree.
    ///
    /// - Returns: what was found, in text: the same each time.
    package static func read(_ bytes: [UInt8]) throws -> String {
        let mended = mended(bytes)
        return try readOnce(bytes) + (mended == bytes ? "" : readOnce(mended))
    }

    private static func readOnce(_ bytes: [UInt8]) throws -> String {
        var seen = ""
        func attempt(_ what: String, _ body: () throws -> Void) throws {
            do {
                try body()
            } catch let error as IcecoreError {
                // A file in memory has another path each time.
                seen += " \(what):\(error.code)"
            }
        }
        try attempt("scan") {
            let source = try source(bytes)
            var end: Int64 = 0
            try PackScan(source).run { found in
                switch found {
                case .record(let record):
                    precondition(Int64(record.place) >= end, "records overlap")
                    precondition(record.end <= source.size, "a record beyond the end")
                    end = record.end
                case .damage(let range):
                    precondition(range.lowerBound == end || end == 0, "damage where a record is")
                    end = range.upperBound
                }
                seen += " \(found)"
            }
        }
        try attempt("pack") {
            let pack = try PackFile(source(bytes))
            try attempt("verify") {
                var count = 0
                try pack.verify(
                    { record in
                        count += 1
                        guard let place = try pack.find(record.name) else { preconditionFailure("not found") }
                        precondition(place == record.place, "found elsewhere")
                        try pack.withContent(at: place, record.name) { precondition($0.count == record.name.size) }
                    }, damaged: { _ in count += 1 })
                precondition(count == pack.count, "contents are missing")
            }
            try attempt("entries") { seen += " \(try sum(pack.entries()))" }
        }
        try attempt("catalogue") {
            let catalogue = try PackCatalogue(source(bytes, "catalogue of packs"))
            try attempt("entries") {
                // Only what is in order as a whole can be searched.
                seen += " \(try sum(catalogue.entries()))"
                let cursor = catalogue.entries(buffer: 4096)
                while let entry = try cursor.read() {
                    let etag = ETag(high: entry.key.high, low: entry.key.low, parts: 0)
                    let found = try catalogue.find(.etag(etag, size: 0))
                    precondition(found.contains(entry), "not found")
                }
            }
        }
        return seen
    }

    private static func source(_ bytes: [UInt8], _ title: String = "pack") throws -> PackSource {
        let file = try File.inMemory(size: Int64(bytes.count))
        try bytes.withUnsafeBytes { try file.write($0, at: 0) }
        return try PackSource(file, title)
    }

    private static func sum(_ cursor: BlockCursor) throws -> UInt64 {
        var sum: UInt64 = 0
        while let entry = try cursor.read() {
            sum = sum &* 31 &+ entry.key.high &+ entry.key.low &+ UInt64(entry.pack) &+ UInt64(entry.place)
        }
        return sum
    }
}
