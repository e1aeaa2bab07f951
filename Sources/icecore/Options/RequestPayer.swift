import ArgumentParser

/// Who pays for requests to a bucket whose owner does not: spelled as `aws` does.
enum RequestPayer: String, ExpressibleByArgument {
    case requester

    static let help = ArgumentHelp(
        "Agree to pay for the requests and the traffic of a bucket whose requesters pay.", valueName: "requester")
}
