import CFuse3

/// One of the ``NodeOperations`` with its arguments, before it is known which kind of node it is for. A generic method
/// where a closure would do if closures could be generic: the compiler makes a copy of it for each kind of node, so that
/// a request costs one switch, and no witness table or box.
protocol NodeCall {
    func perform(on node: some NodeOperations, _ request: Request, _ worker: RequestWorker) throws
}

extension RequestWorker {
    /// The one place that tells the kinds of nodes apart.
    @inline(__always)
    func dispatch(_ call: some NodeCall, to id: UInt64, _ request: Request) throws {
        switch Node(id, hasHistory: files.hasHistory) {
        case .object(let directory, let slot):
            try call.perform(on: ObjectFile(id: id, directory: directory, slot: slot), request, self)
        case .directory(let directory, let view):
            try call.perform(on: ViewDirectory(id: id, directory: directory, number: view), request, self)
        case .versions(let directory):
            try call.perform(on: VersionsDirectory(id: id, directory: directory), request, self)
        case .key(let directory, let slot):
            try call.perform(on: KeyDirectory(id: id, directory: directory, slot: slot), request, self)
        case .historyRoot: try call.perform(on: HistoryRoot(), request, self)
        case .readme: try call.perform(on: HistoryReadme(), request, self)
        case .dates: try call.perform(on: DatesDirectory(), request, self)
        case nil: try call.perform(on: UnknownNode(), request, self)
        }
    }
}
