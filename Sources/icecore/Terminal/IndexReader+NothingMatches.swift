import Basics
import Index
import Model

extension IndexReader {
    /// What to say to somebody who asked for keys that begin with something; nil if a view shows one.
    func nothingMatches(_ prefix: String, _ views: View...) throws -> String? {
        guard !prefix.isEmpty, try !views.contains(where: { try hasKeys(prefix, $0) }) else { return nil }
        return "nothing matches: no key begins with '\(Display.line(prefix))'"
            + (try suggestion(for: prefix) { text in try views.contains { try hasKeys(text, $0) } })
    }

    /// What to add to a sentence about a key that a view does not show: the key that was meant, if there is one.
    func suggestion(forKey key: String, _ view: View) throws -> String {
        try suggestion(for: key) { try version(ofKey: Array($0.utf8), view) != nil }
    }

    private func hasKeys(_ prefix: String, _ view: View) throws -> Bool {
        var isThere = false
        try list(prefix: Array(prefix.utf8), recursive: false, view) { _ in
            isThere = true
            return false
        }
        return isThere
    }

    /// People write keys as they write paths and URLs.
    private func suggestion(for text: String, _ isThere: (String) throws -> Bool) rethrows -> String {
        var rest = text.utf8[...]
        if text.hasPrefix("s3://") {
            rest = rest.dropFirst(5).drop { $0 != UInt8(ascii: "/") }
        }
        while rest.first == UInt8(ascii: "/") || rest.starts(with: "./".utf8) {
            rest = rest.dropFirst(rest.first == UInt8(ascii: "/") ? 1 : 2)
        }
        let shorter = String(decoding: rest, as: UTF8.self)
        guard shorter != text else { return "" }
        if !shorter.isEmpty, try isThere(shorter) { return "; did you mean '\(Display.line(shorter))'?" }
        return text.hasPrefix("/") ? "; in S3, keys begin without '/'" : ""
    }
}
