import CFuse3
import Glibc
import Model

/// LOOKUP.
struct LookupCall: NodeCall {
    let name: [UInt8]

    private static let itself = Array(".".utf8)
    private static let parent = Array("..".utf8)

    init(_ name: UnsafePointer<CChar>) {
        self.name = Array(UnsafeRawBufferPointer(start: name, count: strlen(name)))
    }

    func perform(on node: some NodeOperations, _ request: Request, _ worker: RequestWorker) throws {
        if name.count > Naming.limit { return worker.fail(request, ENAMETOOLONG) }
        // The kernel resolves them itself, except for file handles.
        if name == Self.itself { return try node.lookupSelf(request, worker) }
        if name == Self.parent { return try node.lookupParent(request, worker) }
        try node.lookup(name, request, worker)
    }
}

/// GETATTR.
struct GetattrCall: NodeCall {
    func perform(on node: some NodeOperations, _ request: Request, _ worker: RequestWorker) throws {
        try node.getattr(request, worker)
    }
}

/// OPEN of a file.
struct OpenCall: NodeCall {
    func perform(on node: some NodeOperations, _ request: Request, _ worker: RequestWorker) throws {
        try node.open(request, worker)
    }
}

/// READ.
struct ReadCall: NodeCall {
    let count: Int
    let offset: Int64

    func perform(on node: some NodeOperations, _ request: Request, _ worker: RequestWorker) throws {
        try node.read(count: count, offset: offset, request, worker)
    }
}

/// READDIR or READDIRPLUS.
struct ReaddirCall: NodeCall {
    let size: Int
    let position: Int64
    let isPlus: Bool

    func perform(on node: some NodeOperations, _ request: Request, _ worker: RequestWorker) throws {
        var listing = DirectoryListing(
            request, worker.entries, size: min(size, FileSystem.largestRead), isPlus: isPlus)
        try node.readdir(&listing, after: position, request, worker)
    }
}

/// GETXATTR of a name that begins with ``ExtendedAttribute/prefix``, or of ``ExtendedAttribute/mimeType``.
struct GetxattrCall: NodeCall {
    let name: String
    let size: Int

    func perform(on node: some NodeOperations, _ request: Request, _ worker: RequestWorker) throws {
        guard let attributes = try node.extendedAttributes(worker) else { return worker.fail(request, ESTALE) }
        guard let value = attributes.first(where: { $0.name == name })?.value else {
            return worker.fail(request, ENODATA)
        }
        worker.reply(request, attribute: value, size)
    }
}

/// LISTXATTR.
struct ListxattrCall: NodeCall {
    let size: Int

    func perform(on node: some NodeOperations, _ request: Request, _ worker: RequestWorker) throws {
        guard let attributes = try node.extendedAttributes(worker) else { return worker.fail(request, ESTALE) }
        worker.reply(request, attribute: Array(attributes.map { "\($0.name)\0" }.joined().utf8), size)
    }
}
