import ArgumentParser
import Model

/// `all`, `fetched` or `none`.
extension HeaderPolicy: ExpressibleByArgument {
    static func help(default value: String) -> ArgumentHelp {
        ArgumentHelp(
            "Whose headers, metadata and tags to keep: those of all versions (one request for each that comes without "
                + "its content), only those fetched with contents, or none. Default: \(value).",
            valueName: "all|fetched|none")
    }
}
