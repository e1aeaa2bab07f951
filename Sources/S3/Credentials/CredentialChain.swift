import Basics

/// The places where AWS's own tools look for credentials, in their order.
///
/// The environment's keys or web identity (unless a profile was named on the command line), the profile's role, keys or
/// `credential_process`, the container's endpoint, the machine's metadata service. If none has any, requests are not
/// signed.
struct CredentialChain {
    let configuration: S3Configuration
    private var environment: [String: String] { configuration.environment }

    init(_ configuration: S3Configuration) {
        self.configuration = configuration
    }

    func find() throws -> Credentials? {
        // A profile named on purpose takes precedence over an environment set long ago.
        if configuration.profile == nil {
            if let credentials = try EnvironmentCredentials.find(environment) {
                return credentials.from("the environment")
            }
            if let credentials = try ProfileCredentials(configuration).fromWebIdentity() {
                return credentials.from("the web identity in the environment")
            }
        }
        let name = configuration.profile ?? setting("AWS_PROFILE") ?? setting("AWS_DEFAULT_PROFILE")
        if let credentials = try ProfileCredentials(configuration).find(name) {
            return credentials.from("the profile '\(Display.text(name ?? "default", limit: 100))'")
        }
        if let name, configuration.profile != nil {
            throw IcecoreError(.forbidden, "profile '\(Display.text(name, limit: 100))' has no credentials")
        }
        if let credentials = try MetadataCredentials(environment).fromContainer() {
            return credentials.from("the container's host")
        }
        return try MetadataCredentials(environment).fromInstance()?.from("the machine's metadata service")
    }

    private func setting(_ name: String) -> String? {
        environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
}
