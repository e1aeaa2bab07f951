import ArgumentParser
import Basics
import Glibc
import Index
import Model
import Store

/// Where the store is, for every command that works on one.
struct StoreOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The store. Default: $ICECORE_STORE, else the current directory or the nearest above it that is one.",
            valueName: "path"))
    var store: String?

    func open() throws -> Store {
        try Store.find(store, environment: Console.environment)
    }

    /// ``open()`` for a command that may sort more than fits in memory.
    func openForSorting() throws -> Store {
        let store = try open()
        sortInside(store.temporaryPath)
        return store
    }
}

/// Gives SQLite's sorter a store's `tmp/` for its files, as /var/tmp may be small.
///
/// SQLite reads the variable when the first database is opened, and no other thread may read the environment meanwhile: to be
/// called when a command begins.
func sortInside(_ directory: String) {
    setenv("SQLITE_TMPDIR", directory, 1)
}

/// Which date, for every command that shows a view.
struct ViewOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The date to show: latest, an inventory's name, 2024-11-06, 2024-11-06T12:00:00Z, or an age such as 3d or 2w. "
                + "Default: latest.",
            valueName: "when"))
    var at: String?

    /// The view that was asked for; what a date became is said on stderr.
    func view(_ reader: IndexReader) throws -> View {
        let view = try reader.view(at.map { text throws(IcecoreError) in try When(text) } ?? .latest)
        if at != nil { Console.note(view.remark) }
        return view
    }
}

extension View {
    /// Which kind of view a WHEN became, in a sentence.
    var remark: String {
        switch kind {
        case .snapshot: "showing snapshot \(name), exactly as the inventory lists it"
        case .instant: "showing the instant \(name), by all versions known"
        }
    }
}

/// Records as JSON, one object a line.
struct JSONOption: ParsableArguments {
    @Flag(help: "Print one JSON object a line.")
    var json = false
}

/// An argument that is a key: its bytes.
func keyBytes(_ argument: String) throws -> [UInt8] {
    Array(argument.utf8)
}

extension JSONLine {
    /// The version id: `null` as a string for the null version, JSON's null for an unknown one.
    mutating func add(versionId: [UInt8]?) {
        if let versionId { add("versionId", text: versionId) } else { addNull("versionId") }
    }
}
