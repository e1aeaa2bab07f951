import CFuse3
import Glibc

/// An id that stands for nothing in this mount.
struct UnknownNode: NodeOperations {
    func lookup(_ name: [UInt8], _ request: Request, _ worker: RequestWorker) { worker.fail(request, ENOENT) }

    func lookupSelf(_ request: Request, _ worker: RequestWorker) { worker.fail(request, ESTALE) }

    func lookupParent(_ request: Request, _ worker: RequestWorker) { worker.fail(request, ESTALE) }

    func getattr(_ request: Request, _ worker: RequestWorker) { worker.fail(request, ENOENT) }

    func read(count: Int, offset: Int64, _ request: Request, _ worker: RequestWorker) { worker.fail(request, EISDIR) }

    func readdir(
        _ listing: inout DirectoryListing, after position: Int64, _ request: Request, _ worker: RequestWorker
    ) { worker.fail(request, ESTALE) }

    func extendedAttributes(_ worker: RequestWorker) -> [ExtendedAttribute]? { nil }
}
