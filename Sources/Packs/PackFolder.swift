import Basics
import Glibc

/// `packs/`: where finished packs are, each below the first two digits of its name.
public struct PackFolder: Sendable {
    /// `…/packs`.
    public let path: String

    public init(path: String) {
        self.path = path
    }

    /// The path of a pack.
    public func path(of name: PackName) -> String { "\(path)/\(name.path)" }

    /// Gives a finished and durable file its name, durably, and makes the directories that it needs.
    func name(_ temporary: String, _ name: PackName) throws {
        let target = path(of: name)
        let fan = Files.directory(of: target)
        try Files.createDirectory(path)
        try Files.createDirectory(fan)
        var naming = FileNaming()
        let code = naming.move(temporary, to: name.path, in: try File(path, O_RDONLY | O_DIRECTORY))
        if code == EEXIST {
            // A move that took two steps was killed between them; or else the file is not what its name says.
            let source = try PackSource(path: target, "pack")
            guard try source.digest(0..<source.size) == name.digest else {
                throw source.damage("another content than its name says: move it away")
            }
            try Files.remove(temporary)
        } else if code != 0 {
            throw IcecoreError.system("cannot create", target, errno: code)
        }
        // A directory that is there already need not be durable: whoever made it may have been killed.
        for directory in [fan, path, Files.directory(of: path)] { try Files.synchronizeDirectory(directory) }
    }
}
