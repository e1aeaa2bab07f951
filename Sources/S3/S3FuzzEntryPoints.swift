import Basics

/// The parsers of untrusted input, for fuzzing.
package enum S3FuzzEntryPoints {
    /// A server's error answer: header lines, an empty line, a body. The result is safe to print.
    package static func failure(_ answer: [UInt8], secrets: [String]) -> String {
        var head = S3ResponseHead()
        var rest = answer[...]
        while let end = rest.firstIndex(of: 0x0a) {
            let line = Array(rest[..<end])
            rest = rest[(end + 1)...]
            if line.isEmpty || line == [0x0d] { break }
            if !line.withUnsafeBytes({ head.add(line: $0) }) { break }
        }
        _ = (head.contentLength, head.contentRange, head.etag, head.lastModifiedTime, head.partsCount, head.metadata)
        return S3Failure(head: head, body: Array(rest), secrets: secrets).description
    }

    /// An error document.
    package static func fields(_ xml: [UInt8]) throws -> [String: String] {
        try XMLFields.read(xml, root: "Error")
    }

    /// An answer of ListObjectsV2: how many objects and prefixes.
    package static func listing(_ xml: [UInt8]) throws -> Int {
        let page = try S3ListPage(xml: xml)
        return page.objects.count + page.prefixes.count
    }

    /// An answer of the security token service.
    package static func token(_ xml: [UInt8]) throws -> [String: String] {
        try SecurityTokenService.texts(xml)
    }

    /// The sections of `~/.aws/config` and `~/.aws/credentials`.
    package static func profiles(_ text: [UInt8]) -> [String: [String: String]] {
        ProfileFiles.parse(text)
    }

    /// The output of a `credential_process`. Whether its credentials are plausible.
    package static func credentials(_ json: [UInt8]) throws -> Bool {
        try CredentialDocument.credentials(json, from: "the fuzzer").isPlausible
    }
}
