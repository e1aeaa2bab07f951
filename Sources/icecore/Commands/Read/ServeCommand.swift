import ArgumentParser
import Basics
import Gateway
import Glibc
import Model
import Page
import Serving
import Store
import Web

struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve every date as a bucket to any client of S3, read-only.",
        discussion: """
            The bucket NAME has the latest view and all versions; NAME--2024-11-06, NAME--2024-11-06t01-00z and NAME--3d \
            have other dates: any that --at takes, in lower case. Stays in the foreground; Ctrl-C ends it. On a loopback \
            address everybody on this machine may read; elsewhere give --credentials or --anonymous. A browser finds a \
            page at the same address, and with --credentials asks for a key's id and secret. TLS is a proxy's: \
            docs/S3.md.
            """)

    @Option(help: ArgumentHelp("Where to listen. Default: 127.0.0.1:9000.", valueName: "host:port"))
    var address = "127.0.0.1:9000"

    @OptionGroup var viewOptions: ViewOptions

    @Option(help: ArgumentHelp("What to call the bucket. Default: its own name.", valueName: "name"))
    var name: String?

    @Option(
        help: ArgumentHelp(
            "Only those may read who sign with a key of this file, which looks like ~/.aws/credentials.",
            valueName: "file"))
    var credentials: String?

    @Flag(help: "Let everybody read who reaches the address.")
    var anonymous = false

    @Option(
        help: ArgumentHelp("Take what precedes this in the name of a host for a bucket's name.", valueName: "domain"))
    var domain: String?

    @Flag(help: "Never fetch what is not in the store.")
    var offline = false

    @Flag(name: .customLong("log-requests"), help: "Write a line for each request to stderr.")
    var logRequests = false

    @Option(help: ArgumentHelp("How often to look for a newer push (with --replica).", valueName: "seconds"))
    var refresh = 10

    @OptionGroup var options: ReadOptions

    func validate() throws {
        _ = try place()
        guard (1...86400).contains(refresh) else { throw ValidationError("--refresh must be from 1 to 86400") }
        if anonymous, credentials != nil { throw ValidationError("give --anonymous or --credentials, not both") }
        if let name, !ServeCommand.isName(name) {
            throw ValidationError("--name must have 3 to 63 lower-case letters, digits, '.' or '-'")
        }
        if let domain, !ServeCommand.isName(domain) { throw ValidationError("--domain must be a name of a host") }
    }

    /// Whether a name can be a bucket's.
    private static func isName(_ text: String) -> Bool {
        (3...63).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (48...57).contains($0) || (97...122).contains($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-")
            }
    }

    /// The host and the port to listen at.
    private func place() throws -> (host: String, port: Int) {
        guard let colon = address.lastIndex(of: ":"), let port = Int(address[address.index(after: colon)...]),
            (0...65535).contains(port)
        else {
            throw ValidationError("--address must be HOST:PORT, such as 127.0.0.1:9000 or [::1]:9000")
        }
        var host = String(address[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard !host.isEmpty else {
            throw ValidationError("--address needs a host: 127.0.0.1 for this machine alone, 0.0.0.0 for all others")
        }
        return (host, port)
    }

    func run() throws {
        let (host, port) = try place()
        let isLoopback = HostRule.isLoopback(host)
        guard isLoopback || anonymous || credentials != nil else {
            throw IcecoreError(
                .usage,
                "\(host) can be reached from other machines: give --credentials FILE for those who may read, or --anonymous"
            )
        }
        let readers: AccessRules.Readers
        if let credentials { readers = .holders(try AccessKeyFile.read(credentials)) } else { readers = .everybody }
        let rules = AccessRules(
            readers: readers,
            // Where a signature is needed, a stranger's page cannot read whatever it calls this machine.
            hosts: HostRule(isLoopback: isLoopback && credentials == nil, domain: domain))
        raiseLimitOfOpenFiles()
        // Before any thread starts, so that all of them leave the signals to this one.
        let signals = AwaitedSignals([SIGTERM, SIGINT, SIGHUP])
        reuseLargeBlocks()
        let served = try open()
        let metrics = ServeMetrics()
        let page = PageService(served)
        let router = ServeRouter(
            s3: GatewayService(served, domain: domain), page: page, metrics: metrics, rules: rules)
        var webOptions = WebOptions()
        webOptions.connections = max(16, min(webOptions.connections, (limitOfOpenFiles() - 128) / 2))
        let logs = logRequests
        let server = try WebServer(router, webOptions) { exchange in
            metrics.count(exchange)
            if logs { Console.note(ServeCommand.line(exchange)) }
        }
        let place = try server.listen(host: host, port: port)
        metrics.server = server
        try served.start()
        let shown = host.contains(":") ? "[\(host)]" : host
        let what = viewOptions.at == nil ? served.name : "\(served.name) at \(viewOptions.at ?? "")"
        Console.note("serving \(what) at http://\(shown):\(place.port)/")
        ServiceManager.notify("READY=1\nSTATUS=serving \(served.name)")
        signals.wait()
        ServiceManager.notify("STOPPING=1")
        server.stop()
        page.stop()
        served.stop()
    }

    private func open() throws -> ServedStore {
        var serving = ServingOptions()
        serving.name = name
        serving.at = try viewOptions.at.map { try When($0) }
        serving.isOffline = offline
        serving.environment = Console.environment
        serving.log = { Console.note(Display.line($0)) }
        guard let cache = try options.openReplica(isOffline: offline) else {
            return try ServedStore(Store(path: Files.resolved(try options.options.open().path)), serving)
        }
        serving.origin = cache.origin.map { ($0, { try cache.client() }) }
        serving.isOffline = offline || cache.origin == nil
        serving.restore = { try cache.restore() }
        if !offline { serving.refresh = (refresh, { try cache.refresh() }) }
        return try ServedStore(cache.store, serving)
    }

    /// A request in the log: without its query, which may hold a signature.
    private static func line(_ exchange: WebExchange) -> String {
        let request = exchange.request
        let path = Display.escaped(request.path, limit: 2000)
        let tenths = Int64(max(0, min(exchange.milliseconds, 1e12)) * 10)
        let method = Display.text(request.method, limit: 20)
        return "\(Timestamp.now()) \(request.peer) \(method) \(path) \(exchange.status) "
            + "\(exchange.bytes) \(tenths / 10).\(tenths % 10) ms\(exchange.isCut ? " cut" : "")"
    }
}
