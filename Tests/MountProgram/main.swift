import Basics
import Filesystem
import Glibc
import Model
import Store

// A mount without the rest of the program: mount-for-tests STORE MOUNTPOINT [--at WHEN | --history] [--foreground]
// [--allow-other] [--no-passthrough].

private func run(_ arguments: [String]) throws {
    guard arguments.count >= 2 else { throw IcecoreError(.usage, "mount-for-tests STORE MOUNTPOINT [options]") }
    var options = MountOptions(mountPoint: arguments[1])
    // Stores made by tests have no bucket.
    options.offline = true
    var rest = arguments.dropFirst(2)
    while let word = rest.popFirst() {
        switch word {
        case "--at": options.layout = .view(try When(rest.popFirst() ?? ""))
        case "--history": options.layout = .history
        case "--foreground": options.foreground = true
        case "--allow-other": options.allowOther = true
        case "--no-passthrough": options.passthrough = false
        default: throw IcecoreError(.usage, "unknown option \(word)")
        }
    }
    options.whenMounted = { mounted in
        print("mounted \(mounted.shows)")
        fflush(nil)
    }
    try mount(store: try Store(path: arguments[0]), options: options)
}

do {
    try run(Array(CommandLine.arguments.dropFirst()))
} catch let error as IcecoreError {
    var line = "\(error)\n"
    line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    exit(error.exitStatus)
}
