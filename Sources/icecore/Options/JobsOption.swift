import ArgumentParser

/// How many requests at once.
struct JobsOption: ParsableArguments {
    @Option(help: ArgumentHelp("The most requests in flight (1 to 1000).", valueName: "n"))
    var jobs = 64

    func validate() throws {
        guard (1...1000).contains(jobs) else { throw ValidationError("--jobs is a number from 1 to 1000") }
    }
}
