import Basics

/// What is left of a life that did not turn out as expected.
public struct SmallestFailure: CustomStringConvertible, Sendable {
    public let life: BucketLife
    /// How many steps the life had at first.
    public let originalCount: Int
    /// What is wrong with what is left.
    public let complaint: String
    /// The inventories of each key, and what the rules say of them.
    public let examples: [WorkedExample]

    /// - Parameter title: of the examples.
    public init(_ life: BucketLife, of original: BucketLife, title: String, complaint: String) {
        self.life = life
        self.complaint = complaint
        originalCount = original.steps.count
        let origin = Timestamp(milliseconds: (life.steps.first?.time ?? 0) / 86_400 * 86_400_000)
        let history = try? History(life.replay().inventories)
        examples = (history?.keys ?? []).compactMap { key in
            history.flatMap { WorkedExample(of: key, in: $0, title: "\(title), key \(key)", origin: origin) }
        }
    }

    public var description: String {
        """
        of \(originalCount) steps these \(life.steps.count) are enough:
        \(life.steps.map { "  \($0)" }.joined(separator: "\n"))
        \(complaint)
        By the rules, to be pasted into docs/SEMANTICS.md as a worked example:

        \(examples.map(\.description).joined(separator: "\n\n"))
        """
    }
}

extension BucketLife.LifeStep: CustomStringConvertible {
    public var description: String {
        "\(Timestamp(milliseconds: time * 1000)) \(operation)"
    }
}

extension BucketLife.Operation: CustomStringConvertible {
    public var description: String {
        switch self {
        case .setVersioning(let versioning): "versioning is \(versioning)"
        case .put(let key, let content, let id): "put \(key), \(content.count) bytes\(Self.text(id))"
        case .delete(let key, let id): "delete \(key)\(Self.text(id))"
        case .beginUpload(let number, let key, let content, let partSize):
            "begin upload \(number) of \(key), \(content.count) bytes in parts of \(partSize)"
        case .completeUpload(let number, let id): "complete upload \(number)\(Self.text(id))"
        case .deleteVersion(let key, let id): "delete \(key) for good\(Self.text(id))"
        case .expireNoncurrent(let seconds): "expire what is noncurrent for \(seconds) s"
        case .expireLonelyMarkers: "expire lonely markers"
        case .takeInventory(_, let name, let milliseconds, let kind, let keys):
            "inventory \(name)\(milliseconds == 0 ? "" : " at .\(milliseconds)") (\(kind)) lists \(keys.count) keys"
        case .scan(let number, let keys): "inventory number \(number) lists \(keys.count) more keys"
        }
    }

    private static func text(_ id: VersionID?) -> String { id.map { ", version \($0)" } ?? "" }
}
