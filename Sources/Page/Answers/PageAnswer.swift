import Foundation
import Web

/// Answers with the headers that keep a stranger's bytes from doing anything.
enum PageAnswer {
    /// Of pages: nothing from elsewhere, no script but our own, no frame around it.
    private static let policy = """
        default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; frame-src 'self'; connect-src 'self'; \
        form-action 'self'; base-uri 'none'; frame-ancestors 'none'
        """
    /// Of the document in a preview's frame: no script at all, and an origin of its own.
    private static let previewPolicy = """
        sandbox; default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
        frame-ancestors 'self'
        """
    /// Of contents.
    static let rawPolicy = "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    static func headers(_ type: String, policy: String, cache: String = "no-cache") -> [(name: String, value: String)] {
        [
            ("Content-Type", type), ("Content-Security-Policy", policy), ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"), ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"), ("Cache-Control", cache),
        ]
    }

    static func html(_ status: Int, _ markup: Markup) -> WebResponse {
        WebResponse(
            status: status, headers: headers("text/html; charset=utf-8", policy: policy), body: .bytes(markup.bytes))
    }

    /// The document of a preview, which is made when its turn comes: its content may have to be fetched first.
    static func preview(_ make: @escaping () throws -> Markup) -> WebResponse {
        var isMade = false
        return preview(pieces: {
            if isMade { return nil }
            isMade = true
            return try make().bytes
        })
    }

    /// The same, piece by piece.
    static func preview(pieces: @escaping () throws -> [UInt8]?) -> WebResponse {
        WebResponse(
            status: 200, headers: headers("text/html; charset=utf-8", policy: previewPolicy),
            body: .pieces(length: nil, next: pieces))
    }

    static func text(_ status: Int, _ text: String, headers more: [(name: String, value: String)] = []) -> WebResponse {
        WebResponse(
            status: status, headers: headers("text/plain; charset=utf-8", policy: rawPolicy) + more,
            body: .bytes(Array("\(text)\n".utf8)))
    }

    static func json(_ status: Int, _ value: some Encodable) -> WebResponse {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let bytes = (try? encoder.encode(value)).map { Array($0) } ?? Array("{}".utf8)
        return WebResponse(
            status: status, headers: headers("application/json", policy: rawPolicy),
            body: .bytes(bytes + [UInt8(ascii: "\n")]))
    }
}

/// What the JSON of an error is.
struct PageError: Encodable {
    let error: String
}
