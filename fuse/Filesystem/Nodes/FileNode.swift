import CFuse3
import Glibc

/// A node that is a regular file.
protocol FileNode: NodeOperations {}

extension FileNode {
    func lookup(_ name: [UInt8], _ request: Request, _ worker: RequestWorker) { worker.fail(request, ENOTDIR) }

    func lookupParent(_ request: Request, _ worker: RequestWorker) { worker.fail(request, ENOTDIR) }

    func readdir(
        _ listing: inout DirectoryListing, after position: Int64, _ request: Request, _ worker: RequestWorker
    ) { worker.fail(request, ENOTDIR) }
}
