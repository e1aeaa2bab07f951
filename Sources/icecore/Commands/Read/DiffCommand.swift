import ArgumentParser
import Basics
import Model

struct DiffCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "List the keys that differ between two dates.",
        discussion: "'+' marks added keys, '-' removed keys, 'M' keys whose version changed.")

    @Argument(help: ArgumentHelp("The date to compare from.", valueName: "when"))
    var from: String

    @Argument(help: ArgumentHelp("The date to compare to.", valueName: "when"))
    var to: String

    @Argument(help: "Only keys that start with this.")
    var prefix = ""

    @OptionGroup var options: ReadOptions
    @OptionGroup var format: JSONOption

    func run() throws {
        let reader = try options.open().reader()
        let old = try reader.view(try When(from))
        let new = try reader.view(try When(to))
        Console.note("from: \(old.remark)")
        Console.note("to: \(new.remark)")
        let output = Output()
        var json = JSONLine()
        try reader.differences(from: old, to: new, prefix: Array(prefix.utf8)) { difference in
            if format.json {
                json.begin()
                json.add("change", difference.change.rawValue)
                json.add("key", text: difference.key)
                json.add("fromVersionId", difference.from)
                json.add("toVersionId", difference.to)
                json.end()
                try output.write(json.bytes)
            } else {
                let sign: StaticString =
                    switch difference.change {
                    case .added: "+ "
                    case .removed: "- "
                    case .modified: "M "
                    }
                try output.write(sign.description.utf8)
                try output.name(difference.key)
                try output.write([UInt8(ascii: "\n")])
            }
            return true
        }
        try output.flush()
        if !format.json, let remark = try reader.nothingMatches(prefix, old, new) { Console.note(remark) }
    }
}

extension JSONLine {
    /// One side's version id; null if that side does not show the key or its id is unknown.
    fileprivate mutating func add(_ name: StaticString, _ identity: VersionIdentity?) {
        if let id = identity?.versionId { add(name, text: id) } else { addNull(name) }
    }
}
