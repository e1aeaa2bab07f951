import Basics
import Glibc
import Model
import Store

/// A store of one shard's contents while they are on their way: they arrive in it, checked and packed as in any other, and
/// leave it for the object store. It means nothing once its process has ended.
final class WorkScratch {
    let store: Store
    private let lock: StoreLock

    /// What names of such directories begin with.
    static let prefix = "icecore-work-"

    /// - Parameter parent: a directory of this machine.
    init(in parent: String, _ plan: WorkPlan, _ source: WorkSource, profile: String?) throws {
        var configuration = StoreConfiguration(bucket: source.bucket, inventory: nil)
        configuration.region = source.region
        configuration.endpointURL = source.endpointURL
        configuration.addressing = source.addressing
        configuration.noSignRequest = source.noSignRequest
        configuration.requesterPays = source.requesterPays
        configuration.profile = profile
        if source.hasOpaqueETags == true { configuration.take(etags: .opaque) }
        configuration.pack(below: plan.packBelow)
        let path = "\(parent)/\(WorkScratch.prefix)\(getpid())-\(UInt32.random(in: 0 ... .max))"
        store = try Store.create(at: path, configuration)
        lock = try StoreLock(store, command: "icecore work")
    }

    func remove() { try? Files.removeAll(store.path) }

    /// Removes what killed processes have left.
    static func removeLeftovers(in parent: String) throws {
        for name in try Files.names(in: parent) where name.hasPrefix(prefix) {
            let path = "\(parent)/\(name)"
            guard let lock = try? File("\(path)/\(StoreLayout.lock)", O_RDWR | O_NOFOLLOW),
                (try? FileLock.exclusive.acquireNow(lock)) == true
            else { continue }
            try Files.removeAll(path)
        }
    }

    // MARK: - What has arrived

    /// Calls `body` with the name of each content that is a file of its own.
    func forEachBlob(_ body: (BlobName) throws -> Void) throws {
        for byte in UInt8.min...UInt8.max {
            for file in try Files.names(in: "\(store.blobs.path)/\(Hex.encode([byte]))") {
                if let name = BlobName(file) { try body(name) }
            }
        }
    }
}
