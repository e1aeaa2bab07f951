import Basics
import Glibc

/// The directory that holds a replica.
struct ReplicaDirectory {
    let root: String

    func full(_ path: String) -> String { "\(root)/\(path)" }

    /// Refuses a path that leads through a link: writing or removing there would change somebody else's files.
    func refuseLinks(_ path: String) throws {
        var end = path.startIndex
        while let slash = path[end...].firstIndex(of: "/") {
            let directory = full(String(path[..<slash]))
            var status = stat()
            if lstat(directory, &status) == 0, status.st_mode & S_IFMT != S_IFDIR {
                throw IcecoreError(
                    .damaged, "'\(directory)' is a link, or not a directory: the replica was left untouched")
            }
            end = path.index(after: slash)
        }
    }
}
