import ArgumentParser
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
}
