import ArgumentParser
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
}
