import ArgumentParser
import Basics
import Index
import Model
import Store

struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List keys as of a date.",
        discussion: """
            PREFIX is any start of a key, as in S3. Without -R, everything below the next '/' is shown as one line. With \
            -l, a letter before a key says that its content is not in the store: A is archived, M missing, R refused, G \
            gone, P pruned, - not requested.
            """)

    @Argument(help: "Only keys that start with this.")
    var prefix = ""

    @OptionGroup var viewOptions: ViewOptions

    @Flag(name: .customShort("l"), help: "Show sizes and dates, and what is not in the store.")
    var long = false

    @Flag(name: [.customShort("R"), .customLong("recursive")], help: "List every key below.")
    var recursive = false

    @OptionGroup var options: ReadOptions
    @OptionGroup var format: JSONOption

    func run() throws {
        let store = try options.open()
        let reader = try store.reader()
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
                    if long { try output.write("".padded(40).utf8) }
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
                    if long { json.add("state", try state(key, row, store, reader).rawValue) }
                    json.end()
                    try output.write(json.bytes)
                } else {
                    if long {
                        // Nothing is always here.
                        let mark = row.size == 0 ? " " : try state(key, row, store, reader).mark
                        try output.write("\(row.size.padded(14))  \(row.lastModified.rfc3339)  \(mark) ".utf8)
                    }
                    try output.name(key)
                    try output.write([UInt8(ascii: "\n")])
                }
            }
            return true
        }
        try output.flush()
        if !format.json, let remark = try reader.nothingMatches(prefix, view) { Console.note(remark) }
    }

    /// Where the content of a row stands. Mounts fetch contents that the index does not expect.
    private func state(
        _ key: [UInt8], _ row: borrowing EntryRow, _ store: Store, _ reader: IndexReader
    ) throws -> ContentState {
        let state = row.flags.state
        guard state != .present, options.replica == nil, let etag = row.identity.contentETag(key: key, row.flags) else {
            return state
        }
        return try store.has(etag: etag, size: row.size, reader) ? .present : state
    }
}
