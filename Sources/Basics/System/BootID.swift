/// The kernel's random id of the time since the machine was started: it tells what a later boot can no longer rely on.
public enum BootID {
    /// The id, a UUID in 36 characters.
    ///
    /// - Throws: where the kernel does not say, as without `/proc`.
    public static func read() throws -> String {
        let path = "/proc/sys/kernel/random/boot_id"
        let id = String(decoding: try Files.read(path, limit: 100).prefix { $0 > 0x20 }, as: UTF8.self)
        if id.isEmpty { throw IcecoreError(.system, "'\(path)' is empty") }
        return id
    }
}
