import Basics
import Glibc
import Model

/// The listing of the bucket that a store has begun, and has not synced yet: `tmp/listing/<name>/`.
public enum UnfinishedListing {
    static let directoryName = "listing"
    /// How long it is good for, in milliseconds: a bucket changes.
    public static let lifetime: Int64 = 86_400_000

    /// The folder that holds it.
    public static func directory(_ store: Store) -> String { "\(store.temporaryPath)/\(directoryName)" }

    /// Its name, if there is one and it is not too old.
    public static func name(_ store: Store, now: Timestamp = .now()) -> String? {
        let names = (try? Files.names(in: directory(store))) ?? []
        return names.last { name in
            guard InventoryName.isListing(name), let time = InventoryName.timestamp(name) else { return false }
            let (age, overflow) = now.milliseconds.subtractingReportingOverflow(time.milliseconds)
            return !overflow && (0..<lifetime).contains(age)
        }
    }

    /// Removes every listing but this one.
    public static func removeAll(but name: String? = nil, _ store: Store) throws {
        let directory = directory(store)
        var status = stat()
        guard lstat(directory, &status) == 0 else { return }
        // If the name is a link, it is not followed.
        guard status.st_mode & S_IFMT == S_IFDIR, name != nil else { return try Files.removeAll(directory) }
        for other in try Files.names(in: directory) where other != name { try Files.removeAll("\(directory)/\(other)") }
    }
}
