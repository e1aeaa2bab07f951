import Basics
import Verify

/// Prints findings as they come, with the progress in between.
final class TerminalVerifyReporter: VerifyReporter {
    private let json: Bool
    private let output = Output()
    let line = ProgressLine()

    init(json: Bool) {
        self.json = json
    }

    func note(_ text: String) {
        line.note(text)
    }

    func warning(_ text: String) {
        line.warning(text)
    }

    func finding(_ finding: Finding) throws {
        line.clear()
        if json {
            var json = JSONLine()
            json.begin()
            json.add("kind", finding.kind.rawValue)
            json.add("path", finding.path)
            json.add("reason", finding.reason)
            if let blob = finding.blob { json.add("blob", blob.file) }
            if let key = finding.key { json.add("key", text: key) } else { json.addNull("key") }
            json.add(versionId: finding.versionId)
            json.add("lastModified", finding.lastModified?.rfc3339)
            json.end()
            try output.write(json.bytes)
        } else {
            try output.write(
                "\(finding.kind.rawValue): \(Display.line(finding.path)): \(Display.line(finding.reason))".utf8)
            if let key = finding.key {
                try output.write("; needed by '".utf8)
                try output.name(key.map { $0 == 10 ? UInt8(ascii: "?") : $0 })
                try output.write("' of \(finding.lastModified?.rfc3339 ?? "unknown date")".utf8)
                if let id = finding.versionId {
                    try output.write(" (version \(Display.line(String(decoding: id, as: UTF8.self))))".utf8)
                }
            }
            try output.write([UInt8(ascii: "\n")])
        }
        try output.flush()
    }

    func progress(_ progress: VerifyProgress) {
        switch progress {
        case .index:
            line.show("index")
        case .inventories(let done, let count):
            line.show("inventories", Double(done) / Double(max(1, count)), text: "\(done) of \(count)")
        case .blobs(let fraction, let blobs, let bytes, let findings):
            line.show(
                "blobs", fraction,
                text: "\(blobs.of("blob")), \(bytes.byteCount)" + (findings > 0 ? ", \(findings) damaged" : ""))
        case .rows(let rows):
            line.show("rows", text: "\(rows)")
        case .fetching(let objects, let bytes, let failed):
            line.show(
                "fetching",
                text: "\(objects.of("object")), \(bytes.byteCount)" + (failed > 0 ? ", \(failed) failed" : ""))
        }
    }
}
