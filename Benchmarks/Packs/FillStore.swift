import ArgumentParser
import Basics
import Glibc
import Model
import Packs
import Store

/// Puts contents into the packs of a store as if a sync had fetched them, without a server and a network.
struct FillStore: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fill", abstract: "Put numbered contents into the packs of a store, many million of them.")

    @Argument(help: "The store, which wants packs.") var store: String
    @Option(help: "How many contents.") var count = 1_000_000
    @Option(help: "Bytes of each, a multiple of 16.") var size = 96

    func run() throws {
        var store = try Store(path: store)
        let lock = try StoreLock(store, command: "icecore-bench-packs fill")
        defer { withExtendedLifetime(lock) {} }
        try PackKeeper.prepare(&store)
        let keeper = PackKeeper(store)
        var finished: [PackName] = []
        var writer: PackWriter?
        for number in 0..<count {
            let content = NumberedContent.bytes(number, size: size)
            let name = BlobName.etag(ETag(NumberedContent.etag(content)), size: Int64(size))
            let current = try writer ?? keeper.newPack()
            writer = current
            _ = try content.withUnsafeBytes { try current.append(name, $0) }
            if current.isFull || number == count - 1 {
                if let pack = try current.finish(in: keeper.folder) { finished.append(pack.name) }
                writer = nil
            }
        }
        try keeper.commit(adding: finished)
        print("\(count) contents in \(finished.count) packs")
    }
}

/// Prints rows of an inventory for such contents.
struct NumberedRows: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rows", abstract: "Print the rows of an inventory of numbered contents, as CSV.")

    @Option(help: "The first number.") var first = 0
    @Option(help: "How many.") var count = 1_000_000
    @Option(help: "Bytes of each, a multiple of 16.") var size = 96
    @Option(help: "The bucket's name.") var bucket = "bench"

    func run() throws {
        var text: [UInt8] = []
        for number in first..<first + count {
            let etag = NumberedContent.etag(NumberedContent.bytes(number, size: size))
            let digits = NumberedContent.digits(number, 9)
            text += Array("\"\(bucket)\",\"tiles/".utf8) + NumberedContent.digits(number / 20_000, 5) + [47] + digits
            text +=
                Array("\",\"".utf8) + etag
                + Array("\",\"true\",\"false\",\"\(size)\",\"2026-10-01T00:00:00.000Z\",\"".utf8)
            text += etag + Array("\"\n".utf8)
            if text.count > 1 << 20 || number == first + count - 1 {
                try text.withUnsafeBytes { try File(descriptor: dup(1), path: "standard output").write($0) }
                text.removeAll(keepingCapacity: true)
            }
        }
    }
}

/// Contents that follow from their numbers, as the server of Benchmarks/downloads/latency.c gives them.
enum NumberedContent {
    static func digits(_ number: Int, _ count: Int) -> [UInt8] {
        var digits = [UInt8](repeating: UInt8(ascii: "0"), count: count)
        var rest = number
        for place in digits.indices.reversed() {
            digits[place] += UInt8(rest % 10)
            rest /= 10
        }
        return digits
    }

    static func bytes(_ number: Int, size: Int) -> [UInt8] {
        let piece = digits(number, 16)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size)
        while bytes.count < size { bytes += piece }
        return bytes
    }

    static func etag(_ content: [UInt8]) -> [UInt8] { Array(Hex.encode(MD5.digest(content)).utf8) }
}
