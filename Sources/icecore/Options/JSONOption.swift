import ArgumentParser

/// Records as JSON, one object a line.
struct JSONOption: ParsableArguments {
    @Flag(help: "Print one JSON object a line.")
    var json = false
}
