import Basics
import Glibc

/// `packs/`: where finished packs are, each below the first two digits of its name, and the catalogue of them.
public struct PackFolder: Sendable {
    /// `…/packs`.
    public let path: String

    public init(path: String) {
        self.path = path
        cataloguePath = "\(path)/catalogue"
    }

    /// Packs that belong to somebody else, listed by a catalogue that is not among them.
    public init(path: String, cataloguePath: String) {
        self.path = path
        self.cataloguePath = cataloguePath
    }

    /// What says which packs count: see ``PackSet``.
    public let cataloguePath: String

    /// What says which packs are about to go, while they are.
    public var leavingPath: String { "\(path)/leaving" }

    /// What says which small contents came as files of their own, and are to be moved.
    public var loosePath: String { "\(path)/loose" }

    /// Whether a name in it is that of a file of its own, or of one that was to replace such a file.
    public func isOwn(_ name: String) -> Bool {
        if name == "loose" || name == "loose.taken" { return true }
        for own in ["catalogue", "leaving"] {
            if name == own || isLeftover(name, of: own) { return true }
        }
        return false
    }

    /// Whether a name in it is that of a directory of packs.
    public func isFan(_ name: String) -> Bool {
        Hex.decode(Array(name.utf8)).map { $0.count == 1 && Hex.encode($0) == name } ?? false
    }

    private func isLeftover(_ name: String, of file: String) -> Bool {
        guard name.hasPrefix("\(file)."), name.hasSuffix(".new") else { return false }
        let number = name.utf8.dropFirst(file.utf8.count + 1).dropLast(4)
        return !number.isEmpty && number.allSatisfy { (48...57).contains($0) }
    }

    /// Removes what killed processes were writing. Only for the one process that writes.
    public func removeLeftovers() throws {
        guard Files.exists(path) else { return }
        for name in try Files.names(in: path) where name.hasSuffix(".new") && isOwn(name) {
            try Files.remove("\(path)/\(name)")
        }
    }

    /// The path of a pack.
    public func path(of name: PackName) -> String { "\(path)/\(name.path)" }

    /// Passes the packs that are there to `body`; what is no pack's name is left out.
    public func forEach(_ body: (PackName) throws -> Void) throws {
        guard Files.exists(path) else { return }
        for fan in try Files.names(in: path).sorted() where fan.utf8.count == 2 {
            var status = stat()
            guard let digit = Hex.decode(Array(fan.utf8)), digit.count == 1, lstat("\(path)/\(fan)", &status) == 0,
                status.st_mode & S_IFMT == S_IFDIR
            else { continue }
            for file in try Files.names(in: "\(path)/\(fan)").sorted() {
                if let name = PackName(file), name.digest[0] == digit[0] { try body(name) }
            }
        }
    }

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
