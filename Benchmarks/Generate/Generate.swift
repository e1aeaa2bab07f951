import ArgumentParser
import InventoryGenerator

@main
struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "icecore-bench-generate", abstract: "Write a made-up inventory, to test and to measure with.")

    @Option(help: "About how many rows there are on day 0.") var rows = 1_000_000
    @Option(help: "The same seed gives the same bucket.") var seed: UInt64 = 1
    @Option(help: "How many days after the first inventory.") var day = 0
    @Option(help: "How many percent of the keys change each day.") var changePercent = 1.0
    @Option(help: "How many list files there are.") var files = 4
    @Option(help: "zlib's compression level.") var level: Int32 = 6
    @Flag(help: "Rows in no order.") var shuffle = false
    @Flag(help: "List files that all span the whole bucket.") var interleave = false
    @Option(help: "The directory for <name>/manifest.json and data/*.csv.gz.") var out: String

    func validate() throws {
        guard rows > 0, files > 0, day >= 0, day < 8000, (1...9).contains(level) else {
            throw ValidationError("--rows, --files, --day and --level must be plausible numbers")
        }
    }

    func run() throws {
        var generator = InventoryGenerator()
        generator.rows = rows
        generator.seed = seed
        generator.day = day
        generator.changePercent = changePercent
        generator.files = files
        generator.compressionLevel = level
        generator.layout = shuffle ? .shuffled : interleave ? .interleaved : .ranges
        let output = try generator.write(to: out)
        print("\(output.directory)/manifest.json: \(output.rows) rows in \(output.lists.count) list files")
    }
}
