import ArgumentParser
import Basics
import CZlib
import Glibc
import Inventory

@main
struct ReadInventory: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "icecore-bench-inventory",
        abstract: "Measure how fast an inventory is read: zlib alone, then rows in key order for nobody.")

    @Argument(help: "The manifest.json; list files are ../data/*.csv.gz, as icecore-bench-generate writes them.")
    var manifest: String
    @Option(help: "How many threads decompress and parse.") var threads = 2
    @Option(help: "MiB of memory.") var memory = 192
    @Flag(help: "Sort through temporary files.") var sort = false
    @Flag(help: "Leave out the measurement of zlib alone.") var readerOnly = false

    func run() throws {
        let manifest = try InventoryManifest(json: try Files.read(manifest, limit: 1 << 28), origin: manifest)
        let base = Files.directory(of: Files.directory(of: Files.absolute(self.manifest)))
        let paths = manifest.files.map { "\(base)/data/\($0.key.split(separator: "/").last ?? "")" }

        if !readerOnly {
            let (bytes, time) = try measure { try paths.reduce(0) { try $0 + gunzip($1) } }
            print("zlib alone: \(bytes >> 20) MiB, \(time)")
        }
        let rows = try measure {
            var options = SortedInventory.Options(temporaryDirectory: "/tmp")
            options.threads = threads
            options.sortExternally = sort
            options.memoryLimit = memory << 20
            let rows = try SortedInventory(manifest: manifest, files: paths, options: options)
            var count = 0
            while let batch = try rows.next() { count += batch.rows.count }
            return count
        }
        let count = Double(rows.0)
        print(
            "\(sort ? "sorting" : "merging") reader: \(rows.0) rows, \(rows.1), "
                + "\(Int(count / rows.1.elapsed)) rows/s, \(rows.1.processor / count * 1e6) CPU s per million rows")
    }

    private struct Time: CustomStringConvertible {
        var elapsed: Double
        var processor: Double
        var description: String { "\(elapsed) s, CPU \(processor) s" }
    }

    private func measure<Value>(_ body: () throws -> Value) rethrows -> (Value, Time) {
        func clock(_ id: clockid_t) -> Double {
            var time = timespec()
            clock_gettime(id, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        }
        let start = (clock(CLOCK_MONOTONIC), clock(CLOCK_PROCESS_CPUTIME_ID))
        let value = try body()
        return (
            value,
            Time(elapsed: clock(CLOCK_MONOTONIC) - start.0, processor: clock(CLOCK_PROCESS_CPUTIME_ID) - start.1)
        )
    }

    /// What `gunzip < file > /dev/null` does, and nothing else; returns the decompressed size.
    private func gunzip(_ path: String) throws -> Int {
        guard let file = gzopen(path, "rb") else { throw IcecoreError.system("cannot open", path, errno: errno) }
        defer { gzclose(file) }
        gzbuffer(file, 1 << 17)
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: 1 << 18, alignment: 16)
        defer { buffer.deallocate() }
        var total = 0
        while true {
            let count = gzread(file, buffer, 1 << 18)
            if count <= 0 { return total }
            total += Int(count)
        }
    }
}
