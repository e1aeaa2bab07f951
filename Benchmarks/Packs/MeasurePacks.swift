import ArgumentParser
import Basics
import Glibc
import Model
import Packs

@main
struct BenchPacks: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "icecore-bench-packs", abstract: "Measure packs, and make large stores of them.",
        subcommands: [MeasurePacks.self, FillStore.self, NumberedRows.self], defaultSubcommand: MeasurePacks.self)
}

struct MeasurePacks: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "measure",
        abstract: "Measure how fast packs are written, searched, read, verified and merged.")

    @Argument(help: "A directory to work in, which gets 'packs' and is left without it.") var directory: String
    @Option(help: "How many contents.") var count = 400_000
    @Option(help: "Bytes of each.") var size = 1280

    func run() throws {
        let folder = PackFolder(path: "\(directory)/packs")
        try Files.removeAll(folder.path)
        try Files.createDirectories(folder.path)
        defer { try? Files.removeAll(folder.path) }
        var packs: [FinishedPack] = []
        var names: [[BlobName]] = []
        let contents = try Contents(count: count, size: size)
        let megabytes = Double(count * size) / 1e6
        try measure("write, durably", megabytes, "MB") {
            var writer: PackWriter?
            for index in 0..<count {
                let (name, bytes) = contents[index]
                let current = try writer ?? PackWriter(path: "\(folder.path)/new")
                if writer == nil { names.append([]) }
                writer = current
                _ = try bytes.withUnsafeBytes { try current.append(name, $0) }
                names[names.count - 1].append(name)
                if current.isFull || index == count - 1 {
                    if let pack = try current.finish(in: folder) { packs.append(pack) }
                    writer = nil
                }
            }
        }
        let total = packs.reduce(0) { $0 + $1.size }
        let overhead = Double(total - Int64(count * size)) / Double(count)
        print("\(packs.count) packs, \(total) bytes, \((overhead * 1000).rounded() / 1000) bytes more for each content")
        let files = try packs.map { try PackFile(path: folder.path(of: $0.name)) }
        var found = 0
        try measure("find", Double(count) / 1e6, "million") {
            for (file, names) in zip(files, names) {
                for name in names where try file.find(name) != nil { found += 1 }
            }
        }
        print("  \(found) found")
        try measure("find and read, checked", megabytes, "MB") {
            for (file, names) in zip(files, names) {
                for name in names {
                    guard let place = try file.find(name) else { continue }
                    try file.withContent(at: place, name) { _ in }
                }
            }
        }
        try measure("digest of the files", megabytes, "MB") {
            for (file, pack) in zip(files, packs) where try !file.isWhole(pack.name) { print("damaged") }
        }
        try measure("verify each content", megabytes, "MB") {
            for file in files { try file.verify { _ in print("damaged") } }
        }
        try measure("scan", megabytes, "MB") {
            for pack in packs { try PackScan(path: folder.path(of: pack.name)).run { _ in } }
        }
        let catalogue = "\(folder.path)/catalogue"
        try measure("merge", Double(count) / 1e6, "million") {
            var merge = CatalogueMerge()
            for (index, pack) in packs.enumerated() { try merge.add(files[index], number: UInt32(index), pack.name) }
            try merge.write(to: catalogue)
        }
        let merged = try PackCatalogue(path: catalogue)
        try measure("find in the catalogue", Double(count) / 1e6, "million") {
            for names in names { for name in names where try merged.find(name).isEmpty { print("missing") } }
        }
        let sorted = names.joined().sorted { $0.file < $1.file }
        let search = CatalogueSearch(merged)
        try measure("find in the catalogue, in its order", Double(count) / 1e6, "million") {
            for name in sorted where try search.find(name).isEmpty { print("missing") }
        }
    }

    /// Prints how much was done in a second, and in a second of a core.
    private func measure(_ what: String, _ amount: Double, _ unit: String, _ body: () throws -> Void) rethrows {
        let (start, processorStart) = (MonotonicClock.milliseconds(), processorSeconds())
        try body()
        let seconds = Double(max(1, MonotonicClock.milliseconds() - start)) / 1000
        let processor = max(0.001, processorSeconds() - processorStart)
        func rate(_ seconds: Double) -> Double { (amount / seconds * 100).rounded() / 100 }
        print("\(what): \(rate(seconds)) \(unit)/s, \(rate(processor)) a core")
    }

    private func processorSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// Contents that have their names before anything is measured.
private struct Contents {
    private var names: [BlobName] = []
    private let noise: [UInt8]
    private let size: Int

    init(count: Int, size: Int) throws {
        self.size = size
        noise = (0..<size).map { _ in UInt8.random(in: 0...255) }
        for index in 0..<count {
            names.append(.etag(ETag(Array(Hex.encode(MD5.digest(bytes(index))).utf8)), size: Int64(size)))
        }
    }

    private func bytes(_ index: Int) -> [UInt8] {
        var bytes = noise
        for (place, byte) in withUnsafeBytes(of: index, Array.init).enumerated() where place < size {
            bytes[place] = byte
        }
        return bytes
    }

    subscript(index: Int) -> (BlobName, [UInt8]) { (names[index], bytes(index)) }
}
