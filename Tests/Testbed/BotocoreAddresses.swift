/// Where botocore sends requests: see `servers/addresses.py`.
public final class BotocoreAddresses: Sendable {
    private let conversation: Conversation

    public init() throws {
        var ready: [String: Any] = [:]
        conversation = try Conversation(script: "addresses.py", ready: &ready)
    }

    /// The URL of a GET of the key `k`, or of AssumeRole; nil where botocore refuses.
    ///
    /// - Parameter config: the text of the config file.
    public func url(
        _ service: String, bucket: String? = nil, environment: [String: String], config: String
    ) throws -> String? {
        var command: [String: Any] = ["environment": environment, "config": config, "service": service]
        if let bucket { command["bucket"] = bucket }
        return try conversation.ask(command)["url"] as? String
    }
}
