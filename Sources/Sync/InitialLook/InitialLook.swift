import Basics
import Download
import Inventory
import Model
import S3
import Store
import Synchronization

/// Looks at what a store that does not exist yet would be synced from, for a few seconds at most: the newest inventory's
/// manifest, its first rows, and the credentials.
public final class InitialLook: Sendable {
    private struct Progress {
        var findings = InitialFindings()
        var failure: (any Error)?
        var isDone = false
    }

    private let store: Store
    private let environment: [String: String]
    private let progress = Mutex(Progress())
    private let changed = Condition()

    /// How long it may take, in milliseconds.
    private static let limit: UInt64 = 8000

    /// - Parameters:
    ///   - site: where the store is to be.
    ///   - environment: that of the process.
    public init(_ site: StoreSite, _ configuration: StoreConfiguration, environment: [String: String]) {
        store = Store.planned(on: site, configuration)
        self.environment = environment
    }

    /// Looks.
    ///
    /// - Throws: what would stop every sync: an inventory of another bucket, or one that cannot be read (its format, its
    ///   columns); ``IcecoreError/Code/interrupted``. Whatever else goes wrong is a finding.
    public func run() throws -> InitialFindings {
        // In a thread of its own: whether a name server, a metadata service or a disk answers is nothing to wait for.
        try SystemThread.detach("initial-look") { [self] in
            let failure = Result { try look() }.failure
            progress.withLock {
                $0.failure = failure
                $0.isDone = true
            }
            changed.withLock { changed.broadcast() }
        }
        // A program that is still asked for credentials would go on when this process ends.
        defer { S3Client.stopCredentialProcesses() }
        let deadline = MonotonicClock.milliseconds() + InitialLook.limit
        while !progress.withLock(\.isDone) {
            try Interruption.check()
            let now = MonotonicClock.milliseconds()
            guard now < deadline else { break }
            // What is missed between the question and the wait costs a tenth of a second.
            changed.withLock { _ = changed.wait(until: min(deadline, now + 100)) }
        }
        // The thread may have seen it first, and taken it for a trouble of what it was asking.
        try Interruption.check()
        let result = progress.withLock { $0 }
        if result.isDone, let failure = result.failure { throw failure }
        var findings = result.findings
        guard !result.isDone else { return findings }
        let late = IcecoreError(.unavailable, "no answer within \(InitialLook.limit / 1000) seconds")
        let isLocal = store.configuration.inventory?.hasPrefix("file:") ?? false
        if case .none = findings.inventory, store.configuration.inventory != nil {
            if case .unknown = findings.signing, !isLocal {
                findings.signing = .failed(late)
                findings.inventory = .notLookedAt
            } else {
                findings.inventory = .unreachable(late)
            }
        } else if case .unknown = findings.signing {
            findings.signing = .failed(late)
        }
        return findings
    }

    private func note(_ change: (inout InitialFindings) -> Void) {
        progress.withLock { change(&$0.findings) }
    }

    // MARK: - In the thread

    private func look() throws {
        var options = TransferLoop.Options()
        options.attempts = 2
        options.connectTimeout = 3000
        options.stallTimeout = 4
        let client = try S3Client(store, environment: impatient, loopOptions: options)
        var isLocal = false
        if let inventory = store.configuration.inventory, case .file = try InventoryURL(inventory) { isLocal = true }
        // What needs no credentials does not wait for them.
        if isLocal { try lookForInventory(client) }
        guard lookForCredentials(client) else {
            if !isLocal, store.configuration.inventory != nil { note { $0.inventory = .notLookedAt } }
            return
        }
        if !isLocal { try lookForInventory(client) }
        try lookForBucket(client)
        if store.configuration.inventory == nil, !(store.configuration.lists ?? false) { try lookForReports(client) }
    }

    /// The environment, in which a program that prints credentials has less time than it usually has.
    private var impatient: [String: String] {
        let name = "ICECORE_CREDENTIAL_PROCESS_TIMEOUT"
        let seconds = environment[name].flatMap { UInt64($0) } ?? .max
        return environment.merging([name: "\(min(seconds, InitialLook.limit / 1000 - 2))"]) { $1 }
    }

    private func lookForInventory(_ client: S3Client) throws {
        guard store.configuration.inventory != nil else { return }
        let source = try InventorySource(store, client)
        do {
            let names = try source.names()
            guard let newest = names.last else { return note { $0.inventory = .notThereYet } }
            try look(newest, dates: names.count, source)
        } catch let refusal as Refusal {
            throw refusal.error
        } catch let error as IcecoreError {
            if error.code == .usage { throw error }
            // A directory that is mirrored later is like a first report that has not come yet.
            if error.code == .notFound, case .file = try InventoryURL(store.configuration.inventory ?? "") {
                return note { $0.inventory = .notThereYet }
            }
            note { $0.inventory = .unreachable(error) }
        }
    }

    /// Asks for one key of the bucket. Only that there is no such bucket stops init: to list it may not be allowed.
    private func lookForBucket(_ client: S3Client) throws {
        let bucket = store.configuration.bucket
        do {
            try client.list(bucket: bucket, pageSize: 1) { _ in false }
        } catch let failure as S3Failure {
            if failure.status == 404, failure.code == "NoSuchBucket" { throw failure.asError }
            // Whoever may not list it, or is not known to a server that answers otherwise, may still read objects.
            let isHint = failure.kind == .unreachable || S3Failure.isAboutKeys(failure.code)
            if isHint { note { $0.bucketTrouble = failure.asError } }
        } catch let error as IcecoreError where error.code == .unavailable {
            note { $0.bucketTrouble = error }
        } catch let error as IcecoreError where error.code == .interrupted {
            throw error
        } catch {
            // A server that lists in its own way.
        }
    }

    /// Asks which reports are configured for the bucket.
    private func lookForReports(_ client: S3Client) throws {
        note { $0.reports = .unknown(nil) }
        do {
            let reports = try client.inventoryReports(of: store.configuration.bucket)
            note { $0.reports = .found(reports) }
        } catch let failure as S3Failure {
            note { $0.reports = .unknown(failure.asError) }
        } catch let error as IcecoreError {
            if error.code == .interrupted { throw error }
            note { $0.reports = .unknown(error) }
        }
    }

    /// - Returns: whether it is known how to sign requests.
    private func lookForCredentials(_ client: S3Client) -> Bool {
        let signing: InitialFindings.Signing
        do {
            if client.configuration.unsigned {
                signing = .unsigned
            } else if let origin = try client.credentialsOrigin() {
                signing = .signed(origin: origin)
            } else {
                signing = .nothingFound
            }
        } catch let error as IcecoreError {
            signing = .failed(error)
        } catch {
            signing = .failed(IcecoreError(.system, "\(error)"))
        }
        note { $0.signing = signing }
        if case .failed = signing { return false }
        return true
    }

    /// What would stop every sync.
    private struct Refusal: Error {
        let error: any Error
    }

    private func look(_ name: String, dates: Int, _ source: InventorySource) throws {
        let document: FetchedDocument
        do {
            document = try source.document(name)
        } catch let error as IcecoreError where error.code == .notFound || error.code == .invalidData {
            return note { $0.inventory = .unusable(name: name, error) }
        }
        let found: FetchedManifest
        do {
            // S3's checksum vouches for the document: what cannot be read today cannot be read tomorrow.
            found = try document.manifest()
        } catch let error as IcecoreError where error.code == .unsupported && dates > 1 {
            // An earlier one may be in a format that can be read.
            return note { $0.inventory = .unusable(name: name, error) }
        } catch {
            throw Refusal(error: error)
        }
        do {
            try source.check(found, name)
        } catch {
            throw Refusal(error: error)
        }
        var facts = InventoryFacts(name, dates: dates, found.manifest)
        note { $0.inventory = .found(facts) }
        do {
            guard let limit = InventorySample.byteCount(found.manifest),
                let beginning = try source.beginning(name, found, limit: limit)
            else { return }
            let sample = InventorySample(found.manifest, beginning: beginning)
            facts.sample = sample
            facts.sampleFailure = sample.failure
        } catch let error as IcecoreError {
            facts.sampleFailure = error
        }
        note { $0.inventory = .found(facts) }
    }
}

extension Result {
    fileprivate var failure: Failure? {
        if case .failure(let failure) = self { failure } else { nil }
    }
}
