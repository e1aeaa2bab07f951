import ArgumentParser
import Basics
import Index
import Model
import Survey

struct FindCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "find", abstract: "Find keys by name, also those that were deleted.",
        discussion: """
            GLOB has * for any characters, ? for one, [a-z] and [!a-z] for one of some, \\ before a character that shall \
            mean itself. Without '/', it is compared with what follows a key's last '/'; with one, with the whole key, \
            and * crosses '/'. Quote it. With --ever and --deleted, the date on which a key was deleted comes first, and \
            the id of the version to open: 'icecore cat KEY --version-id ID'.
            """)

    @Argument(help: ArgumentHelp("Which keys: '*.csv', 'data/*/2024-??.nc'.", valueName: "glob"))
    var glob: String

    @Option(help: "Only keys that start with this.")
    var prefix = ""

    @OptionGroup var viewOptions: ViewOptions

    @Flag(help: "Every key that was ever listed, deleted or not.")
    var ever = false

    @Flag(help: "Only keys that the latest view does not show.")
    var deleted = false

    @Option(
        help: ArgumentHelp("Only what is larger: 500K, 64M, 1.5G.", valueName: "size"),
        transform: { try ByteSize.parse($0, 0...1 << 62) })
    var larger: Int64?

    @Option(help: ArgumentHelp("Only what was modified after this date, inventory or age.", valueName: "when"))
    var newer: String?

    @OptionGroup var options: ReadOptions
    @OptionGroup var format: JSONOption

    func validate() throws {
        if [ever, deleted, viewOptions.at != nil].filter({ $0 }).count > 1 {
            throw ValidationError("give one of --at, --ever and --deleted")
        }
    }

    func run() throws {
        let pattern = try Glob(Array(glob.utf8))
        let since = try newer.map { text throws(IcecoreError) in try When(text) }
        let reader = try options.open().reader()
        let view = try viewOptions.view(reader)
        let scope: KeyQuery.KeyScope = deleted ? .deleted : ever ? .ever : .view(view)
        var query = KeyQuery(pattern, scope)
        query.prefix = Array(prefix.utf8)
        query.largerThan = larger
        query.isBrief = !format.json
        query.newerThan = try since?.time(in: reader.timeline)
        let output = Output()
        var json = JSONLine()
        try reader.find(query) { found in
            if format.json {
                try output.write(record(found, &json))
            } else {
                if ever || deleted { try output.write(columns(found)) }
                try output.name(found.key)
                try output.write([UInt8(ascii: "\n")])
            }
            return true
        }
        try output.flush()
        if !format.json, !ever, !deleted, let remark = try reader.nothingMatches(prefix, view) { Console.note(remark) }
    }

    private func record(_ found: FoundKey, _ json: inout JSONLine) -> [UInt8] {
        json.begin()
        json.add("key", text: found.key)
        json.add("size", found.identity.size)
        json.add("lastModified", found.identity.lastModified.rfc3339)
        json.add("etag", found.identity.etag?.known)
        json.add(versionId: found.identity.versionId)
        if ever || deleted {
            json.add("deleted", found.isDeleted)
            json.add("deletedAt", found.deletedAt?.rfc3339)
        }
        json.end()
        return json.bytes
    }

    /// When it was deleted, if it was, and the version to open.
    private func columns(_ found: FoundKey) -> [UInt8] {
        let when = found.deletedAt?.rfc3339 ?? (found.isDeleted ? "deleted" : "-")
        // An id is a stranger's word, and no column of its own if it has spaces.
        let id = found.identity.versionId.map { output(id: $0) } ?? "-"
        return Array(when.utf8) + Array(repeating: UInt8(ascii: " "), count: max(0, 20 - when.utf8.count))
            + Array("  \(id)  ".utf8)
    }

    private func output(id: [UInt8]) -> String {
        Display.line(String(decoding: id, as: UTF8.self))
    }
}
