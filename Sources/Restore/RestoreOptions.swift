/// How a restore is done.
public struct RestoreOptions: Sendable {
    /// The most requests in flight.
    public var jobs = 64
    /// Deletes what the target has besides.
    public var isDeleting = false
    /// Writes nothing.
    public var isDryRun = false
    /// Asks for the headers of every object again, instead of relying on what was noted by the restore before.
    public var isChecking = false
    /// Of the process, for the credentials with which contents are fetched from the source.
    public var environment: [String: String]

    public init(environment: [String: String]) {
        self.environment = environment
    }
}
