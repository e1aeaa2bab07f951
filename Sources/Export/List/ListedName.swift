import Basics
import Model

/// How far a line of an export's list can be relied on.
enum ListCertainty: UInt8 {
    /// An export that came to its end has seen it.
    case certain = 0x2b
    /// An export that did not come to its end may have written it.
    case possible = 0x3f
    /// The export that is running means to write it.
    case planned = 0x21
}

/// A state of a file that an export wrote, or may have written.
struct ListStamp: Hashable {
    var certainty: ListCertainty
    var size: Int64
    /// The object's last-modified time, in milliseconds.
    var wanted: Int64
    /// The file's time as the target gives it back, which can be coarser.
    var seconds: Int64
    var nanoseconds: Int64

    /// Whether it is of an object's size and time.
    func isOf(_ item: ShownItem) -> Bool {
        size == item.size && wanted == item.time.milliseconds
    }
}

/// A directory in an export's list.
struct ListedDirectory: Hashable {
    var certainty: ListCertainty
    /// An export made it; otherwise it was there before.
    var isMade: Bool
}

/// What an export's list says about one name in a directory.
///
/// Names are components of keys, not of files; directories have a `/` at the end.
struct ListedName {
    /// The name of the object whose key is the directory's path: see `.icecore-object` in docs/SEMANTICS-mount.md. It
    /// comes before all others.
    static let object = Array("//".utf8)

    var name: [UInt8]
    /// Left out, because the target could not tell its name from another one's.
    var isAlias = false
    var stamps: [ListStamp] = []
    /// Nil for a file.
    var directory: ListedDirectory?

    /// Whether a name stands for a directory.
    static func isDirectory(_ name: [UInt8]) -> Bool {
        name.last == UInt8(ascii: "/") && name != object
    }

    /// The order of a list, which is that of keys.
    static func precedes(_ first: [UInt8], _ second: [UInt8]) -> Bool {
        if first == object { return second != object }
        if second == object { return false }
        return first.withUnsafeBytes { first in second.withUnsafeBytes { first.precedes($0) } }
    }

    /// The name that a target gives it.
    static func fileName(_ name: [UInt8]) -> [UInt8] {
        if name == object { return Array(".icecore-object".utf8) }
        return Naming.fileName(isDirectory(name) ? Array(name.dropLast()) : name)
    }

    /// Whether a name from a list can be one: hostile until then.
    static func isPossible(_ name: [UInt8]) -> Bool {
        name == object || !name.dropLast().contains(UInt8(ascii: "/"))
    }
}
