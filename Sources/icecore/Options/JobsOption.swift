import ArgumentParser

/// How many requests to run at once.
struct JobsOption: ParsableArguments {
    @Option(help: ArgumentHelp("Maximum number of requests in flight (1 to 1000).", valueName: "n"))
    var jobs = 64

    func validate() throws {
        guard (1...1000).contains(jobs) else { throw ValidationError("--jobs must be from 1 to 1000") }
    }
}
