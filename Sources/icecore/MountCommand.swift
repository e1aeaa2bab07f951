import ArgumentParser
import Basics
import Filesystem
import Model
import Store

struct MountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mount", abstract: "Mount the bucket as it is, or as it was, read-only.",
        discussion: """
            Returns when the mount can be used; 'fusermount3 -u MOUNTPOINT' ends it. With --history the mount holds \
            latest/, at/ (any date, by name) and versions/ (every version of every key).
            """)

    @Argument(help: ArgumentHelp("An empty directory.", valueName: "mountpoint"))
    var mountPoint: String

    @OptionGroup var viewOptions: ViewOptions

    @Flag(help: "All dates and all versions in one tree.")
    var history = false

    @Flag(help: "Stay in the foreground; Ctrl-C unmounts.")
    var foreground = false

    @Flag(name: .customLong("allow-other"), help: "Let other users in as well.")
    var allowOther = false

    @Flag(help: "Never ask the network for what is not in the store.")
    var offline = false

    @Flag(
        name: .customLong("no-passthrough"),
        help: "Read large files through the daemon, too, where the kernel could do it itself (as root).")
    var noPassthrough = false

    @Option(help: ArgumentHelp("What 'mount' and 'df' show as the source. Default: icecore:BUCKET.", valueName: "name"))
    var fsname: String?

    @Option(help: ArgumentHelp("Look for a newer push every so many seconds (with --replica).", valueName: "seconds"))
    var refresh = 10

    @OptionGroup var options: ReadOptions

    func validate() throws {
        guard (1...86400).contains(refresh) else { throw ValidationError("--refresh is a number from 1 to 86400") }
        if history, viewOptions.at != nil { throw ValidationError("give --at or --history, not both") }
    }

    func run() throws {
        var mountOptions = MountOptions(mountPoint: mountPoint)
        let store: Store
        if let cache = try options.openReplica(isOffline: offline) {
            store = cache.store
            mountOptions.origin = cache.origin.map { ($0, { try cache.client() }) }
            mountOptions.offline = cache.origin == nil
            if !offline { mountOptions.refresh = (refresh, { try cache.refresh() }) }
        } else {
            store = try options.options.open()
        }
        if history {
            mountOptions.layout = .history
        } else if let at = viewOptions.at {
            mountOptions.layout = .view(try When(at))
        }
        mountOptions.foreground = foreground
        mountOptions.allowOther = allowOther
        mountOptions.offline = offline || mountOptions.offline
        mountOptions.environment = Console.environment
        mountOptions.passthrough = !noPassthrough
        mountOptions.sourceName = fsname
        mountOptions.whenMounted = { mounted in Console.note("mounted \(mounted.shows) at \(mounted.mountPoint)") }
        try mount(store: store, options: mountOptions)
    }
}
