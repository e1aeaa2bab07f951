import ArgumentParser
import Glibc
import Store

/// Where the store is.
struct StoreOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The store. Default: $ICECORE_STORE, else the nearest at or above the current directory.",
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

/// Makes SQLite sort in a store's `tmp/`, as /var/tmp may be small.
///
/// To be called when a command begins: SQLite reads the variable when the first database is opened, and no other thread may
/// read the environment meanwhile.
func sortInside(_ directory: String) {
    setenv("SQLITE_TMPDIR", directory, 1)
}
