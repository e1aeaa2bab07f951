import Basics
import Verify

/// Prints findings as they come, and the progress between them.
final class TerminalVerifyReporter: VerifyReporter {
    private let json: Bool
    private let output = Output()
    private let line = ProgressLine()

    init(json: Bool) {
        self.json = json
    }

    func clear() {
        line.clear()
    }

    func note(_ text: String) {
        line.clear()
        Console.note(text.printable)
    }

    func warning(_ text: String) {
        line.clear()
        Console.note("warning: \(text.printable)")
    }

    func finding(_ finding: Finding) throws {
        line.clear()
        if json {
            var json = JSONLine()
            json.begin()
            json.add("kind", finding.kind.rawValue)
            json.add("path", finding.path)
            json.add("reason", finding.reason)
            if let key = finding.key { json.add("key", text: key) } else { json.addNull("key") }
            json.add(versionId: finding.versionId)
            json.add("lastModified", finding.lastModified?.rfc3339)
            json.end()
            try output.write(json.bytes)
        } else {
            try output.write("\(finding.kind.rawValue): \(finding.path.printable): \(finding.reason.printable)".utf8)
            if let key = finding.key {
                try output.write("; needed by '".utf8)
                try output.name(key.map { $0 == 10 ? UInt8(ascii: "?") : $0 })
                try output.write("' of \(finding.lastModified?.rfc3339 ?? "unknown date")".utf8)
                if let id = finding.versionId {
                    try output.write(" (version \(String(decoding: id, as: UTF8.self).printable))".utf8)
                }
            }
            try output.write([UInt8(ascii: "\n")])
        }
        try output.flush()
    }

    func progress(_ progress: VerifyProgress) {
        switch progress {
        case .index:
            line.draw("index", "", nil)
        case .inventories(let done, let count):
            line.draw("inventories", "\(done) of \(count)", Double(done) / Double(max(1, count)))
        case .blobs(let fraction, let blobs, let bytes, let findings):
            line.draw(
                "blobs", "\(blobs) blobs, \(bytes.byteCount)" + (findings > 0 ? ", \(findings) damaged" : ""), fraction)
        case .rows(let rows):
            line.draw("rows", "\(rows)", nil)
        case .fetching(let objects, let bytes, let failed):
            line.draw(
                "fetching", "\(objects) objects, \(bytes.byteCount)" + (failed > 0 ? ", \(failed) failed" : ""), nil)
        }
    }
}
