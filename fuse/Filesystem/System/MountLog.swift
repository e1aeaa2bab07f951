import Basics
import Glibc

/// Where a mount reports errors after its command has returned: `mount.log` in the store, or with `--foreground` the
/// standard error. At most ``limit`` lines a minute, none of them twice; once the minute is over, it says how many were
/// omitted.
final class MountLog: @unchecked Sendable {
    static let limit = 60
    private static let largest: Int64 = 4 << 20

    private let lock = Lock()
    private let descriptor: Int32
    private var minute: Int64 = 0
    private var lines = 0
    private var said: Set<String> = []
    private var saidBefore: Set<String> = []

    /// Writes to a descriptor that stays open.
    init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// Appends to a file; one over 4 MiB is renamed to `….old` first.
    init(path: String) throws(IcecoreError) {
        if let size = Files.size(path), size > MountLog.largest { try Files.rename(path, path + ".old") }
        descriptor = try systemCall("cannot open", path) {
            open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
        }
    }

    func write(_ message: String) {
        let now = Timestamp.now()
        lock.withLock {
            if now.milliseconds / 60_000 != minute {
                if lines > MountLog.limit { put(now, "\(lines - MountLog.limit) more messages were omitted") }
                saidBefore = now.milliseconds / 60_000 == minute + 1 ? said : []
                minute = now.milliseconds / 60_000
                lines = 0
                said = []
            }
            // The kernel reads a page again if it could not be read ahead, be it in the next minute.
            if said.contains(message) || saidBefore.contains(message) { return }
            lines += 1
            if lines > MountLog.limit { return }
            said.insert(message)
            put(now, message)
        }
    }

    private func put(_ now: Timestamp, _ message: String) {
        let time = Timestamp(milliseconds: now.milliseconds / 1000 * 1000)
        var line = "\(time) icecore[\(getpid())]: \(message)\n"
        line.withUTF8 { bytes in _ = Glibc.write(descriptor, bytes.baseAddress, bytes.count) }
    }
}
