import Basics
import Blobs
import Glibc
import Model

/// Names of small contents that came as files of their own into a store with packs, because whoever fetched them does not
/// hold the store's lock: a mount. The next sync moves them into packs.
///
/// `packs/loose` is a text of names, one a line, that only grows until somebody takes it: then it is `packs/loose.taken` until
/// all of them have been moved. It is no more than a hint: what a kill or a power cut takes of it, `icecore pack` finds.
public struct LooseNotes: Sendable {
    private let path: String
    private var takenPath: String { "\(path).taken" }
    private let limit: Int64
    /// More than this is not noted: `icecore pack` finds the rest.
    private static let mostBytes: Int64 = 256 << 20

    /// Nil for a store without packs.
    public init?(_ store: Store) {
        // What comes into a cache stays as it came.
        guard let limit = store.configuration.packBelow, store.configuration.objectStore == nil,
            Files.exists(store.packsPath)
        else { return nil }
        path = store.packs.folder.loosePath
        self.limit = limit
    }

    /// Notes contents that have their names in `blobs/` by now. Never fails: what is not noted stays a file for longer.
    public func add(_ names: some Sequence<(name: String, size: Int64)>) {
        let text = names.filter { $0.size < limit }.map { "\($0.name)\n" }.joined()
        if text.isEmpty || (Files.size(path) ?? 0) > LooseNotes.mostBytes { return }
        do {
            let file = try File(path, O_WRONLY | O_CREAT | O_APPEND, mode: 0o644)
            try Array(text.utf8).withUnsafeBytes { try file.write($0) }
        } catch {
            // Then they stay files until somebody packs them.
        }
    }

    /// Whether there is anything to move.
    public var isEmpty: Bool { !Files.exists(path) && !Files.exists(takenPath) }

    /// Passes what was noted to `body`, and forgets it afterwards. Only for the holder of the store's lock.
    public func take(_ body: (BlobName) throws -> Void) throws {
        // What was taken and not moved, since the process was killed, comes first.
        if !Files.exists(takenPath) {
            guard Files.exists(path) else { return }
            try Files.rename(path, takenPath)
        }
        let file = try File(takenPath, O_RDONLY | O_NOFOLLOW)
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var line: [UInt8] = []
        while true {
            let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
            if count == 0 { return }
            try Interruption.check()
            for byte in buffer[..<count] {
                if byte != UInt8(ascii: "\n") {
                    // No name is that long: whatever it is, it is none.
                    if line.count < 256 { line.append(byte) }
                    continue
                }
                if let name = BlobName(String(decoding: line, as: UTF8.self)), name.size < limit { try body(name) }
                line.removeAll(keepingCapacity: true)
            }
        }
    }

    /// Forgets what was taken.
    public func forgetTaken() throws {
        if Files.exists(takenPath) { try Files.remove(takenPath) }
    }

    /// Forgets everything: nothing is left to be moved.
    public func clear() throws {
        try forgetTaken()
        if Files.exists(path) { try Files.remove(path) }
    }
}
