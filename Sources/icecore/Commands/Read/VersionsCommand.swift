import ArgumentParser
import Basics
import Index
import Model

struct VersionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "versions", abstract: "List all versions of a key, newest first.")

    @Argument(help: "The key, as in S3.")
    var key: String

    @OptionGroup var options: ReadOptions
    @OptionGroup var format: JSONOption

    func run() throws {
        let store = try options.open()
        let reader = try store.reader()
        let bytes = Array(key.utf8)
        guard let found = try reader.versions(ofKey: bytes) else {
            let hint = try reader.suggestion(forKey: key, try reader.view(.latest))
            throw IcecoreError(
                .notFound, "no synced inventory has listed the key '\(key)', or all of its versions were pruned\(hint)")
        }
        let output = Output()
        var json = JSONLine()
        for version in found.versions {
            let identity = version.identity
            let isPresent = try identity.contentETag(key: bytes, version.flags).map { etag in
                // For a replica: what its store had when it was pushed.
                options.replica != nil
                    ? version.flags.contains(.present)
                    : try store.has(etag: etag, size: identity.size, reader)
            }
            if format.json {
                json.begin()
                json.add("key", text: bytes)
                json.add(versionId: identity.versionId)
                json.add("lastModified", identity.lastModified.rfc3339)
                json.add("size", identity.size)
                json.add("etag", identity.etag?.known)
                json.add("isLatest", version.isLatest)
                json.add("deleteMarker", identity.isMarker)
                if let isPresent {
                    json.add("present", isPresent)
                    json.add("state", state(version.flags, isPresent: isPresent).rawValue)
                } else {
                    json.addNull("present")
                    json.addNull("state")
                }
                json.add(try reader.headers(of: version, key: bytes))
                json.end()
                try output.write(json.bytes)
            } else {
                let id = identity.versionId.map { String(decoding: $0, as: UTF8.self) } ?? "(unknown id)"
                var words = "\(identity.lastModified.rfc3339)  "
                words += identity.isMarker ? "deleted".padded(12) : identity.size.padded(12)
                words += "  \(id)  \(identity.etag?.known ?? "-")"
                if version.isLatest { words += "  latest" }
                if isPresent == false, identity.size > 0 {
                    switch state(version.flags, isPresent: false) {
                    case .present, .missing, .unrequested: words += "  not here"
                    case let other: words += "  \(other.rawValue)"
                    }
                }
                try output.line(words)
            }
        }
        try output.flush()
    }

    /// Where the content stands: the file system knows best.
    private func state(_ flags: EntryRow.Flags, isPresent: Bool) -> ContentState {
        if isPresent { return .present }
        let state = flags.state
        return state == .present ? .missing : state
    }
}
