import Basics
import ReferenceModel
import Testing

extension SeenTree {
    /// Expects exactly the names, sizes, times, keys and contents of a tree.
    ///
    /// - Parameter content: what a version has; nil: nobody knows.
    func expect(
        _ tree: MountTree, _ what: String, sourceLocation: SourceLocation = #_sourceLocation,
        content: (Version) -> [UInt8]?
    ) {
        var differences: [String] = []
        for path in Set(tree.nodes.keys).union(files.keys).union(directories.keys).sorted() {
            switch tree.nodes[path] {
            case nil:
                differences.append("\(path) is there and should not be")
            case .directory(let placeholder):
                guard let key = directories[path] else {
                    differences.append("the directory \(path) is missing")
                    continue
                }
                if key != placeholder?.key {
                    differences.append(
                        "the directory \(path) has the key \(key.map { "\($0)" } ?? "(none)"), not \(String(describing: placeholder))"
                    )
                }
            case .file(let version):
                guard let file = files[path] else {
                    differences.append("the file \(path) of \(version) is missing")
                    continue
                }
                differences += SeenTree.differences(file, version, content(version)).map { "\(path): \($0)" }
            }
        }
        if !differences.isEmpty {
            Issue.record(
                "\(what) is not as it should be: \(differences.prefix(5).joined(separator: "\n")), \(differences.count) in all",
                sourceLocation: sourceLocation)
        }
    }

    /// Expects what a mount with `--history` shows below `versions/`: every version of every key. A marker is a file that
    /// is empty and that nobody may read.
    func expect(
        versionsOf history: History, sourceLocation: SourceLocation = #_sourceLocation, content: (Version) -> [UInt8]?
    ) {
        var objects = self
        let markers = objects.files.filter { $0.value.mode == 0o100000 }
        for path in markers.keys { objects.files[path] = nil }
        // Every directory here that stands for a key says which.
        objects.directories = objects.directories.mapValues { _ in ByteString?.none }
        let tree = MountTree.versions(of: history)
        // What has only markers has a directory too.
        let parents = Set(markers.keys.flatMap { SeenTree.parents(of: $0) })
        for path in parents where tree.nodes[path] == nil { objects.directories[path] = nil }
        objects.expect(tree, "versions/", sourceLocation: sourceLocation, content: content)

        let seen = markers.values.map { [$0.key?.bytes, $0.attributes["versionId"], Array("\($0.seconds)".utf8)] }
        let expected = history.allVersions.filter(\.isMarker).map { marker in
            [marker.key.bytes, marker.id.bytes?.bytes, Array("\(marker.lastModified.milliseconds / 1000)".utf8)]
        }
        #expect(Set(seen) == Set(expected), "the delete markers in versions/", sourceLocation: sourceLocation)
        #expect(markers.values.allSatisfy { $0.size == 0 && $0.content.isEmpty }, sourceLocation: sourceLocation)
    }

    /// The directories that a path is in.
    private static func parents(of path: ByteString) -> [ByteString] {
        let components = path.components
        return (1..<components.count).map { ByteString(joining: components.prefix($0)) }
    }

    private static func differences(_ file: SeenFile, _ version: Version, _ content: [UInt8]?) -> [String] {
        var differences: [String] = []
        func compare<Value: Equatable>(_ what: String, _ seen: Value, _ expected: Value) {
            if seen != expected { differences.append("\(what) is \(seen), not \(expected)") }
        }
        compare("size", file.size, version.size)
        compare(
            "mtime", Int64(file.seconds) * 1000 + Int64(file.nanoseconds) / 1_000_000, version.lastModified.milliseconds
        )
        compare("mode", file.mode, 0o100444)
        compare("key", file.key, version.key)
        compare("etag", file.attributes["etag"], version.etag.bytes)
        if let id = version.id.bytes { compare("versionId", file.attributes["versionId"], id.bytes) }
        compare("lastModified", file.attributes["lastModified"], Array(version.lastModified.rfc3339.utf8))
        if let content, !file.content.isSame(as: content) {
            differences.append(
                "content has \(file.content.count) bytes that are not the \(content.count) of the version")
        }
        return differences
    }
}
