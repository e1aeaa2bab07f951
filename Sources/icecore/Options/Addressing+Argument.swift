import ArgumentParser
import S3

/// `path` or `virtual`.
extension Addressing: ExpressibleByArgument {
    static let help = ArgumentHelp(
        "Where requests name the bucket: in the path, or in the host (virtual). Default: path for --endpoint-url, "
            + "virtual for AWS.",
        valueName: "style")
}
