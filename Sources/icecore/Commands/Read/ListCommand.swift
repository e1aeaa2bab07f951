import ArgumentParser
import Basics

struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List keys as of a date.",
        discussion: """
            PREFIX is any start of a key, as in S3. Without -R, everything below the next '/' is shown as one line.
            """)

    @Argument(help: "Only keys that start with this.")
    var prefix = ""

    @OptionGroup var viewOptions: ViewOptions

    @Flag(name: .customShort("l"), help: "Show sizes and dates.")
    var long = false

    @Flag(name: [.customShort("R"), .customLong("recursive")], help: "List every key below.")
    var recursive = false

    @OptionGroup var options: ReadOptions
    @OptionGroup var format: JSONOption

    func run() throws {
        let reader = try options.open().reader()
        let view = try viewOptions.view(reader)
        let output = Output()
        var json = JSONLine()
        try reader.list(prefix: Array(prefix.utf8), recursive: recursive, view) { item in
            switch item {
            case .prefix(let prefix):
                if format.json {
                    json.begin()
                    json.add("prefix", text: prefix)
                    json.end()
                    try output.write(json.bytes)
                } else {
                    if long { try output.write("".padded(36).utf8) }
                    try output.name(prefix)
                    try output.write([UInt8(ascii: "\n")])
                }
            case .key(let key, let row):
                if format.json {
                    json.begin()
                    json.add("key", text: key)
                    json.add("size", row.size)
                    json.add("lastModified", row.lastModified.rfc3339)
                    json.add("etag", row.etagValue?.known)
                    if row.versionIsUnknown {
                        json.addNull("versionId")
                    } else {
                        json.add("versionId", text: row.versionId)
                    }
                    json.end()
                    try output.write(json.bytes)
                } else {
                    if long {
                        try output.write("\(row.size.padded(14))  \(row.lastModified.rfc3339)  ".utf8)
                    }
                    try output.name(key)
                    try output.write([UInt8(ascii: "\n")])
                }
            }
            return true
        }
        try output.flush()
    }
}
