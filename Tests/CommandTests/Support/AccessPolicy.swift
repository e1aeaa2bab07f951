import Foundation
import Testing

/// A policy of docs/PERMISSIONS.md, whole or without one of its actions.
struct AccessPolicy {
    var statements: [[String: Any]]

    /// The one that the document has under this name, for other buckets.
    init(_ name: String, _ places: [(String, String)]) throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().path
        let text = try String(contentsOfFile: "\(root)/docs/PERMISSIONS.md", encoding: .utf8)
        var json = try #require(text.components(separatedBy: "```json policy=\(name)\n").last)
        json = json.components(separatedBy: "\n```")[0]
        for (old, new) in places { json = json.replacing(old, with: new) }
        let document = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
        statements = try #require(document?["Statement"] as? [[String: Any]])
        #expect(document?["Version"] as? String == "2012-10-17")
    }

    var document: [String: Any] { ["Version": "2012-10-17", "Statement": statements] }

    /// Every action, by the statement's name.
    var actions: [(sid: String, action: String)] {
        statements.flatMap { statement in
            (statement["Action"] as? [String] ?? []).map { (statement["Sid"] as? String ?? "", $0) }
        }
    }

    func without(_ sid: String, _ action: String) -> AccessPolicy {
        var policy = self
        policy.statements = statements.compactMap { statement in
            guard statement["Sid"] as? String == sid else { return statement }
            let rest = (statement["Action"] as? [String] ?? []).filter { $0 != action }
            return rest.isEmpty ? nil : statement.merging(["Action": rest]) { $1 }
        }
        return policy
    }
}
