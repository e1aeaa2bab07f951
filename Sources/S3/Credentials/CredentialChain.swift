import Basics

/// The places where AWS's own tools look for credentials, in their order.
///
/// The environment's keys or web identity (unless a profile was named on the command line), the profile's role, keys or
/// `credential_process`, the container's endpoint, the machine's metadata service. If none has any, requests are not
/// signed.
struct CredentialChain {
    let configuration: S3Configuration
    private let trace: CredentialTrace
    private var environment: [String: String] { configuration.environment }

    /// - Parameter trace: gets the places that have none.
    init(_ configuration: S3Configuration, _ trace: CredentialTrace) {
        self.configuration = configuration
        self.trace = trace
    }

    func find() throws -> Credentials? {
        trace.begin()
        // A profile named on purpose takes precedence over an environment set long ago.
        if configuration.profile == nil {
            if let credentials = try EnvironmentCredentials.find(environment) { return credentials }
            if let credentials = try ProfileCredentials(configuration).fromWebIdentity() { return credentials }
            trace.add("the environment")
        }
        let name = configuration.profile ?? setting("AWS_PROFILE") ?? setting("AWS_DEFAULT_PROFILE")
        if let credentials = try ProfileCredentials(configuration).find(name) { return credentials }
        let files = [configuration.profiles.credentialsPath, configuration.profiles.configPath].compactMap { $0 }
            .map { Display.text($0, limit: 300) }.joined(separator: " and ")
        trace.add("profile '\(Display.text(name ?? "default", limit: 100))' of \(files.isEmpty ? "no file" : files)")
        if let name, configuration.profile != nil {
            throw IcecoreError(.forbidden, "profile '\(Display.text(name, limit: 100))' has no credentials")
        }
        let metadata = MetadataCredentials(configuration)
        if let credentials = try metadata.fromContainer() { return credentials }
        return try metadata.fromInstance { trace.add("the EC2 metadata service: \($0)") }
    }

    private func setting(_ name: String) -> String? {
        environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
}
