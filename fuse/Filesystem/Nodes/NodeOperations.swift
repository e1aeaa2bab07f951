import CFuse3

/// What the kernel asks of a node. Each kind of node is a stateless struct: it holds the numbers that its id is made of,
/// and everything else is in the index. None is ever stored.
///
/// To add a kind of node, add its file here, its id to ``Node``, and its case to ``RequestWorker/dispatch(_:to:_:)``.
protocol NodeOperations {
    /// LOOKUP of a name in the node.
    func lookup(_ name: [UInt8], _ request: Request, _ worker: RequestWorker) throws

    /// LOOKUP of `.`: by file handle, for an id that the kernel no longer knows, or that somebody has made up. ESTALE
    /// unless this mount shows the node.
    func lookupSelf(_ request: Request, _ worker: RequestWorker) throws

    /// LOOKUP of `..`: a directory that was found by its handle is to be connected with the root.
    func lookupParent(_ request: Request, _ worker: RequestWorker) throws

    /// GETATTR.
    func getattr(_ request: Request, _ worker: RequestWorker) throws

    /// OPEN, where the kernel reads large files itself (``Passthrough``): it does not ask otherwise.
    func open(_ request: Request, _ worker: RequestWorker) throws

    /// READ.
    func read(count: Int, offset: Int64, _ request: Request, _ worker: RequestWorker) throws

    /// READDIR and READDIRPLUS.
    ///
    /// - Parameters:
    ///   - listing: the reply, still empty.
    ///   - position: where an earlier listing ended, or ``DirectoryListing/Position/start``.
    func readdir(
        _ listing: inout DirectoryListing, after position: Int64, _ request: Request, _ worker: RequestWorker) throws

    /// For GETXATTR and LISTXATTR; nil for a node that is gone.
    func extendedAttributes(_ worker: RequestWorker) throws -> [ExtendedAttribute]?
}

extension NodeOperations {
    func open(_ request: Request, _ worker: RequestWorker) {
        worker.files.passthrough.replySmall(request)
    }

    func extendedAttributes(_ worker: RequestWorker) -> [ExtendedAttribute]? { [] }
}
