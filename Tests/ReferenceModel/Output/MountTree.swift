/// The files and directories that a mount must show.
public struct MountTree: Sendable {
    public enum FileOrDirectory: Hashable, Sendable {
        /// A file has its version's size and `lastModified`, and its ETag and size say which content.
        case file(Version)
        /// A directory, with the object whose attributes it carries: the zero-size `a/` of the directory `a`.
        case directory(placeholder: Version?)
    }

    /// By path without a leading slash; the root is the empty path.
    public private(set) var nodes: [ByteString: FileOrDirectory] = ["": .directory(placeholder: nil)]

    private init() {}

    /// The tree of a view.
    public init(_ view: ShownVersions) {
        // A directory is whatever has something below it. That a zero-size `a/` shows no file below `a` makes no
        // difference here: it is there to make `a` a directory.
        for key in view.keys { addDirectories(key.components.map(ComponentName.encode).dropLast()) }
        for (key, version) in view {
            let components = key.components
            let names = components.map(ComponentName.encode)
            if components.last == "", version.size == 0 {
                nodes[ByteString(joining: names.dropLast())] = .directory(placeholder: version)
            } else if nodes[ByteString(joining: names)] != nil {
                nodes[ByteString(joining: names + [ComponentName.object])] = .file(version)
            } else {
                nodes[ByteString(joining: names)] = .file(version)
            }
        }
    }

    /// The tree below `versions/` of a mount with `--history`: every version that has content, of every key.
    public static func versions(of history: History) -> MountTree {
        var tree = MountTree()
        for key in history.keys {
            let directory = key.components.map(ComponentName.encodeUnderVersions)
            let objects = (history.versions(key) ?? []).map(\.version).filter { !$0.isMarker }
            if !objects.isEmpty { tree.addDirectories(directory[...]) }
            for version in objects {
                let others = objects.filter { ($0.lastModified, $0.id) == (version.lastModified, version.id) }
                var name = ByteString("\(version.lastModified.rfc3339)_") + (version.id.bytes ?? "")
                // Null and unknown ids can be overwritten within a second.
                if others.count > 1 { name = name + "_" + version.etag }
                tree.nodes[ByteString(joining: directory + [ComponentName.versionFile(name)])] = .file(version)
            }
        }
        return tree
    }

    private mutating func addDirectories(_ names: ArraySlice<ByteString>) {
        for count in 0...names.count {
            nodes[ByteString(joining: names.prefix(count))] = .directory(placeholder: nil)
        }
    }

    /// The names in a directory, in byte order; nil for what is not there or no directory.
    public func names(in directory: ByteString) -> [ByteString]? {
        guard case .directory = nodes[directory] else { return nil }
        let below = directory.isEmpty ? "" : directory + "/"
        return nodes.keys.compactMap { path in
            guard path.hasPrefix(below), path != directory else { return nil }
            let rest = path.dropping(below)
            return rest.components.count == 1 ? rest : nil
        }.sorted()
    }
}
