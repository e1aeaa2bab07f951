import ArgumentParser

/// Who pays for requests to a bucket whose owner does not; spelled as in `aws`.
enum RequestPayer: String, ExpressibleByArgument {
    case requester

    static let help = ArgumentHelp(
        "Pay for the requests and traffic of a requester-pays bucket.", valueName: "requester")
}
