import ArgumentParser
import Basics
import Index
import Model
import Survey

struct DiskUsageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "du", abstract: "Sum up keys and bytes below each folder, as of a date.",
        discussion: """
            PREFIX is any start of a key, as in S3. Bytes are the sizes of the objects, not what they take in the store, \
            where equal contents count once. As in du(1), a folder comes after those in it, and the sum of all last.
            """)

    @Argument(help: "Only keys that start with this.")
    var prefix = ""

    @OptionGroup var viewOptions: ViewOptions

    @Option(
        name: [.customShort("d"), .customLong("depth")],
        help: ArgumentHelp("Print only folders this far below PREFIX; 0: only the sum of all.", valueName: "depth"))
    var depth: Int?

    @OptionGroup var options: ReadOptions
    @OptionGroup var format: JSONOption

    func validate() throws {
        if let depth, depth < 0 { throw ValidationError("--depth must not be negative") }
    }

    func run() throws {
        let reader = try options.open().reader()
        let view = try viewOptions.view(reader)
        let output = Output()
        var json = JSONLine()
        try reader.folderSums(prefix: Array(prefix.utf8), view, depth: depth) { folder, sum in
            if format.json {
                json.begin()
                json.add("prefix", text: folder)
                json.add("keys", sum.keys)
                json.add("bytes", sum.bytes)
                json.end()
                try output.write(json.bytes)
            } else {
                try output.write("\(sum.bytes.padded(16))  \(sum.keys.padded(12))  ".utf8)
                try output.name(folder.isEmpty ? [UInt8(ascii: ".")] : folder)
                try output.write([UInt8(ascii: "\n")])
            }
            return true
        }
        try output.flush()
        if !format.json, let remark = try reader.nothingMatches(prefix, view) { Console.note(remark) }
    }
}
