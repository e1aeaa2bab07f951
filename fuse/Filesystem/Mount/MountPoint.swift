import Basics
import Glibc

/// What can be checked before a mount is tried, with a sentence for each obstacle.
enum MountPoint {
    /// The mount point's real path.
    static func check(_ options: MountOptions, storePath: String) throws(IcecoreError) -> String {
        let given = options.mountPoint
        var status = stat()
        guard stat(given, &status) == 0 else {
            switch errno {
            case ENOENT:
                throw IcecoreError(
                    .notFound,
                    "the mount point '\(given)' does not exist: create it with 'mkdir', or name another directory")
            case ENOTCONN:
                throw IcecoreError(
                    .busy,
                    "'\(given)' is still the mount point of a file system whose program has died: "
                        + "'fusermount3 -u \(given)' unmounts it")
            default: throw .system("cannot use the mount point", given, errno: errno)
            }
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw IcecoreError(.notFound, "the mount point '\(given)' is not a directory")
        }
        guard let real = realPath(given) else { throw .system("cannot use the mount point", given, errno: errno) }
        let mounted = mountedType(real)
        // What automounts wait on is there to be mounted over; to look into it would wait for this very mount.
        let isAutomount = mounted == "autofs"
        if mounted != nil, !isAutomount {
            throw IcecoreError(
                .busy,
                "'\(given)' is busy: something is already mounted there ('fusermount3 -u \(given)' unmounts it)")
        }
        let store = realPath(storePath) ?? storePath
        if store == real || store.hasPrefix(real == "/" ? "/" : real + "/") {
            throw IcecoreError(
                .usage,
                "a mount on '\(given)' would hide the store '\(storePath)' that it reads: name another directory")
        }
        if !options.allowsNonEmpty, !isAutomount, let name = firstName(real) {
            throw IcecoreError(
                .busy,
                "the mount point '\(given)' is not empty, and a mount would hide what is in it "
                    + "('\(Display.text(name, limit: 100))', …): name an empty directory, or mount over it with "
                    + "--allow-non-empty")
        }
        return real
    }

    /// What is in a directory: one name of it; nil if it is empty, or if that cannot be found out.
    private static func firstName(_ path: String) -> String? {
        guard let directory = opendir(path) else { return nil }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                String(cString: UnsafeRawPointer(pointer).assumingMemoryBound(to: CChar.self))
            }
            if name != ".", name != ".." { return name }
        }
        return nil
    }

    /// What to say of a mount that was refused.
    ///
    /// - Parameter complaint: what libfuse or fusermount3 printed.
    static func refusal(_ path: String, _ complaint: String) -> IcecoreError {
        let said = "cannot mount on '\(path)': \(complaint)"
        if complaint.hasSuffix(String(cString: strerror(EACCES))) {
            return IcecoreError(
                .forbidden,
                "\(said). Where AppArmor confines fusermount3 (as in Ubuntu since 25.04), it may mount below $HOME, /mnt, "
                    + "/media and /tmp only: name a directory there, or add 'mount fstype=fuse.icecore -> \(path)/,' and "
                    + "'umount \(path)/,' to /etc/apparmor.d/local/fusermount3 and run "
                    + "'apparmor_parser -r /etc/apparmor.d/fusermount3' as root")
        }
        if complaint.hasSuffix(String(cString: strerror(EPERM))) {
            return IcecoreError(
                .forbidden,
                "\(said). A container may mount only if it was started with --cap-add SYS_ADMIN and --device /dev/fuse, "
                    + "and in some without the default AppArmor profile (--security-opt apparmor=unconfined)")
        }
        return IcecoreError(.system, said)
    }

    /// What the machine must have.
    static func checkMachine(_ options: MountOptions) throws(IcecoreError) {
        guard access("/dev/fuse", F_OK) == 0 else {
            throw IcecoreError(
                .notFound,
                "/dev/fuse does not exist: load the kernel module ('modprobe fuse'), "
                    + "or start the container with --device /dev/fuse")
        }
        if geteuid() == 0 { return }
        guard access("/dev/fuse", R_OK | W_OK) == 0 else {
            throw IcecoreError(
                .forbidden,
                "no permission to use /dev/fuse, which is normally open to everybody ('chmod 666 /dev/fuse' as root)")
        }
        guard hasFusermount else {
            throw IcecoreError(
                .notFound, "fusermount3 is missing, and without it only root can mount: install the package fuse3")
        }
        if options.allowOther, !othersMayBeAllowed("/etc/fuse.conf") {
            throw IcecoreError(
                .forbidden, "--allow-other is for root only, unless /etc/fuse.conf has a line 'user_allow_other'")
        }
    }

    /// Whether `fusermount3` is where libfuse looks for it.
    private static var hasFusermount: Bool {
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
        return (["/usr/bin", "/bin"] + path.split(separator: ":").map(String.init)).contains {
            access("\($0)/fusermount3", X_OK) == 0
        }
    }

    static func othersMayBeAllowed(_ path: String) -> Bool {
        guard let bytes = try? Files.read(path, limit: 1 << 20) else { return false }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").contains {
            $0.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "\r" }) == ["user_allow_other"]
        }
    }

    static func realPath(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }

    /// Whether something is mounted on exactly this path.
    static func isMountPoint(_ path: String) -> Bool { mountedType(path) != nil }

    /// The type of the file system that is mounted on exactly this path, the topmost if there are several; nil if none is.
    static func mountedType(_ path: String) -> String? {
        guard let bytes = try? Files.read("/proc/self/mountinfo", limit: 1 << 26) else { return nil }
        let line = bytes.split(separator: UInt8(ascii: "\n")).last { line in
            let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 5)
            return fields.count > 4 && unescape(fields[4]) == Array(path.utf8)
        }
        // After a varying number of optional fields come a hyphen and the type.
        let rest = line?.split(separator: UInt8(ascii: " ")).dropFirst(6).drop { $0 != [UInt8(ascii: "-")] }
        return rest.map { String(decoding: $0.dropFirst().first ?? [], as: UTF8.self) }
    }

    /// mountinfo writes space, tab, line end and backslash as `\` and three octal digits.
    private static func unescape(_ field: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var rest = field
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3, digits.allSatisfy({ (48...55).contains($0) }) {
                result.append(digits.reduce(0) { $0 &* 8 &+ ($1 - 48) })
                rest = rest.dropFirst(3)
            } else {
                result.append(byte)
            }
        }
        return result
    }
}
