import ArgumentParser
import Basics
import Filesystem
import Model
import Store

struct MountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mount", abstract: "Mount the bucket read-only, as it is or as it was.",
        discussion: """
            Returns when the mount is ready; 'fusermount3 -u MOUNTPOINT' unmounts it. With --history the mount holds \
            latest/, at/ (any date, by name) and versions/ (every version of every key).
            """)

    @Argument(help: ArgumentHelp("An empty directory.", valueName: "mountpoint"))
    var mountPoint: String

    @OptionGroup var viewOptions: ViewOptions

    @Flag(help: "Show all dates and all versions in one tree.")
    var history = false

    @Flag(help: "Stay in the foreground; Ctrl-C unmounts.")
    var foreground = false

    @Flag(name: .customLong("allow-other"), help: "Let other users access the mount.")
    var allowOther = false

    @Flag(name: .customLong("allow-non-empty"), help: "Mount over files, which cannot be seen until it is unmounted.")
    var allowNonEmpty = false

    @Option(
        help: ArgumentHelp(
            "Whom files and directories belong to, by name or number. Default: you.", valueName: "user"),
        transform: { try Account.user($0) })
    var uid: UInt32?

    @Option(
        help: ArgumentHelp(
            "The group that they belong to, by name or number. Default: yours.", valueName: "group"),
        transform: { try Account.group($0) })
    var gid: UInt32?

    @Option(
        help: ArgumentHelp(
            "Permissions to take away, in octal, from 0444 for files and 0555 for directories.", valueName: "mode"),
        transform: { try Account.umask($0) })
    var umask: UInt32?

    @Flag(help: "Never fetch what is not in the store.")
    var offline = false

    @Flag(
        name: .customLong("no-passthrough"),
        help: "Read large files through the daemon even where the kernel could read them itself (as root).")
    var noPassthrough = false

    @Option(help: ArgumentHelp("The source that 'mount' and 'df' show. Default: icecore:BUCKET.", valueName: "name"))
    var fsname: String?

    @Option(help: ArgumentHelp("How often to look for a newer push (with --replica).", valueName: "seconds"))
    var refresh = 10

    @OptionGroup var options: ReadOptions

    func validate() throws {
        guard (1...86400).contains(refresh) else { throw ValidationError("--refresh must be from 1 to 86400") }
        if fsname?.isEmpty == true { throw ValidationError("--fsname needs a name") }
        if history, viewOptions.at != nil { throw ValidationError("give --at or --history, not both") }
    }

    func run() throws {
        var mountOptions = MountOptions(mountPoint: mountPoint)
        let store: Store
        if let cache = try options.openReplica(isOffline: offline) {
            store = cache.store
            mountOptions.origin = cache.origin.map { ($0, { try cache.client() }) }
            mountOptions.offline = cache.origin == nil
            mountOptions.restore = { try cache.restore() }
            if !offline { mountOptions.refresh = (refresh, { try cache.refresh() }) }
        } else {
            // The mount is of what a link leads to now: it goes on when the link goes.
            store = try Store(path: Files.resolved(try options.options.open().path))
        }
        if history {
            mountOptions.layout = .history
        } else if let at = viewOptions.at {
            mountOptions.layout = .view(try When(at))
        }
        mountOptions.foreground = foreground
        mountOptions.allowsNonEmpty = allowNonEmpty
        mountOptions.allowOther = allowOther
        if !allowOther, gid != nil || umask != nil {
            Console.note("without --allow-other, nobody but you can enter the mount, whatever --gid and --umask say")
        }
        mountOptions.owner = uid
        mountOptions.group = gid
        mountOptions.umask = umask ?? 0
        mountOptions.offline = offline || mountOptions.offline
        mountOptions.environment = Console.environment
        mountOptions.passthrough = !noPassthrough
        mountOptions.sourceName = fsname
        mountOptions.whenMounted = { mounted in Console.note("mounted \(mounted.shows) at \(mounted.mountPoint)") }
        try mount(store: store, options: mountOptions)
    }
}
