import Basics

/// The credentials in the environment's `AWS_ACCESS_KEY_ID` and its companions.
enum EnvironmentCredentials {
    /// - Returns: nil if there are none.
    static func find(_ environment: [String: String]) throws(IcecoreError) -> Credentials? {
        func setting(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        guard let accessKey = setting("AWS_ACCESS_KEY_ID") else { return nil }
        guard let secretKey = setting("AWS_SECRET_ACCESS_KEY") else {
            throw IcecoreError(.forbidden, "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not")
        }
        return Credentials(
            accessKeyId: accessKey, secretAccessKey: secretKey, sessionToken: setting("AWS_SESSION_TOKEN"))
    }
}
