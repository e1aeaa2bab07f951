import Basics
import Foundation
import Testing

extension StoreDigest {
    /// The lines of a store's `blobs.facts` that count, without their digests: of each content the latest, by ETag and
    /// size.
    static func facts(_ store: String) throws -> [String: String] {
        guard Files.exists("\(store)/blobs.facts") else { return [:] }
        let text = String(decoding: try Files.read("\(store)/blobs.facts", limit: 1 << 26), as: UTF8.self)
        var facts: [String: String] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 5 else { continue }
            let fact = words.dropLast().joined(separator: " ")
            guard Hex.encode(SHA256.digest(Array("\(fact) ".utf8))).hasPrefix(words[4]), words[4].count == 16 else {
                continue
            }
            facts["\(words[0]) \(words[1])"] = fact
        }
        return facts
    }

    /// The blobs of which nothing beside the index says what their ETags do not.
    static func blobsWithoutFacts(_ store: String) throws -> [String] {
        let facts = try facts(store)
        return try blobs(store).keys.filter { path in
            let name = path.split(separator: "/").last.map(String.init) ?? ""
            let words = name.split(separator: "-")
            if words.first == "x" {
                return !facts.values.contains { $0.hasSuffix(" \(words[2]) sha256 \(words[1])") }
            }
            return words.count == 3 && facts["\(words[0])-\(words[1]) \(words[2])"] == nil
        }.sorted()
    }
}
