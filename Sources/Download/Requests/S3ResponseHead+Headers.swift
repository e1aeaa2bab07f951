import Basics
import S3

extension S3ResponseHead {
    /// Headers that only a request for the object gives, as JSON with sorted names; nil for most objects.
    var headersWorthKeeping: String? {
        var kept: [(String, String)] = []
        // S3's default for objects without a type says nothing.
        if let type = contentType, type != "binary/octet-stream" { kept.append(("content-type", type)) }
        if let encoding = contentEncoding, !encoding.isEmpty { kept.append(("content-encoding", encoding)) }
        if hasMetadata { kept += metadata.map { ($0.name.lowercased(), $0.value) } }
        guard !kept.isEmpty else { return nil }
        var json = "{"
        for (index, (name, value)) in kept.sorted(by: { $0.0 < $1.0 }).enumerated() {
            if index > 0 { json += "," }
            json += JSONLine.quoted(name) + ":" + JSONLine.quoted(value)
        }
        return json + "}"
    }
}
