import Basics
import Gateway
import Testing
import Web

/// Where a browser may give a key: where nobody on the way can read it.
@Suite struct BrowserAccessTests {
    private static func check() -> AccessCheck {
        let keys = [
            "reader": AccessKey(secret: Array("secret".utf8), sessionToken: nil),
            "guest": AccessKey(secret: Array("secret".utf8), sessionToken: Array("token".utf8)),
        ]
        return AccessRules(readers: .holders(keys), hosts: HostRule(isLoopback: false, domain: nil)).makeCheck()
    }

    /// Basic credentials: `reader:secret`, `reader:other`, `guest:secret`.
    private static let (right, wrong, guest) = (
        "Basic cmVhZGVyOnNlY3JldA==", "Basic cmVhZGVyOm90aGVy", "Basic Z3Vlc3Q6c2VjcmV0"
    )

    private func status(
        _ check: AccessCheck, _ headers: [(String, String)], at path: String = "/-/", from peer: String = "127.0.0.1"
    ) -> Int? {
        let request = WebRequest(
            method: "GET", path: Array(path.utf8), headers: [("Host", "x.example")] + headers, peer: peer)
        return check.refusal(of: request)?.status
    }

    @Test func aKeyIsWantedWhereNobodyReadsIt() {
        let check = Self.check()
        let far = "192.0.2.7"
        #expect(status(check, []) == 401)
        #expect(status(check, [("Authorization", Self.right)]) == nil)
        #expect(status(check, [("Authorization", Self.right)], from: "::1") == nil)
        // In the clear, none is asked for, and none is taken.
        #expect(status(check, [], from: far) == 403)
        #expect(status(check, [("Authorization", Self.right)], from: far) == 403)
        #expect(status(check, [("X-Forwarded-Proto", "http"), ("Authorization", Self.right)], from: far) == 403)
        #expect(status(check, [("X-Forwarded-Proto", "https")], from: far) == 401)
        #expect(status(check, [("X-Forwarded-Proto", "https"), ("Authorization", Self.right)], from: far) == nil)
        // Part of the program.
        #expect(status(check, [], at: "/-/assets/page.css") == nil)
    }

    @Test func aKeyOpensThePageAlone() {
        let check = Self.check()
        for path in ["/", "/bucket/key", "/-x/key", "//-/", "/%2D/"] {
            #expect(status(check, [("Authorization", Self.right)], at: path) == 400, "\(path)")
        }
        #expect(status(check, [("Authorization", Self.right), ("Authorization", Self.right)]) == 400)
        // A session's key is nothing without its token.
        #expect(status(check, [("Authorization", Self.guest)]) == 401)
    }

    @Test func guessesEnd() {
        let check = Self.check()
        #expect(status(check, [("Authorization", Self.right)]) == nil)
        for _ in 0..<10 { #expect(status(check, [("Authorization", Self.wrong)]) == 401) }
        #expect(status(check, [("Authorization", Self.wrong)]) == 429)
        #expect(status(check, [("Authorization", Self.wrong + "=")]) == 429)
        // Whoever was in stays in; from elsewhere one may still try.
        #expect(status(check, [("Authorization", Self.right)]) == nil)
        #expect(status(check, [("Authorization", Self.wrong)], from: "127.0.0.2") == 401)
    }
}
