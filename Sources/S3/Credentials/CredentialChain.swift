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
            if let credentials = try EnvironmentCredentials.find(environment) {
                return credentials.from("the environment")
            }
            if let credentials = try ProfileCredentials(configuration).fromWebIdentity() {
                return credentials.from("the web identity in the environment")
            }
            trace.add("the environment")
        }
        let name = configuration.profile ?? setting("AWS_PROFILE") ?? setting("AWS_DEFAULT_PROFILE")
        let profile = "profile '\(Display.text(name ?? "default", limit: 100))'"
        if let credentials = try ProfileCredentials(configuration).find(name) {
            return credentials.from("the \(profile)")
        }
        let files = [configuration.profiles.credentialsPath, configuration.profiles.configPath].compactMap { $0 }
            .map { Display.text($0, limit: 300) }.joined(separator: " and ")
        trace.add("\(profile) of \(files.isEmpty ? "no file" : files)")
        if name != nil, configuration.profile != nil {
            throw IcecoreError(.forbidden, "\(profile) has no credentials")
        }
        let metadata = MetadataCredentials(configuration)
        if let credentials = try metadata.fromContainer() { return credentials.from("the container's host") }
        return try metadata.fromInstance { trace.add("the EC2 metadata service: \($0)") }?
            .from("the machine's metadata service")
    }

    private func setting(_ name: String) -> String? {
        environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
}
