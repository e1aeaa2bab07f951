import ArgumentParser

/// Whether to print records as JSON.
struct JSONOption: ParsableArguments {
    @Flag(help: "Print one JSON object per line.")
    var json = false
}
