import Basics
import Glibc
import Index
import Listing
import Model
import S3
import Store

extension SyncRun {
    /// Whether it lists the bucket: because it was told to, or because the store has no inventory and nothing else was
    /// chosen.
    var isListing: Bool {
        if options.lists { return true }
        guard case .newest = options.selection, store.configuration.inventory == nil else { return false }
        return store.configuration.lists ?? false
    }

    /// Lists the bucket into `tmp/`, or goes on with a listing that was interrupted there.
    ///
    /// - Returns: its name, and how it went: nil if it was complete.
    func list() throws -> (name: String, ListingProgress?) {
        let reader = try store.reader()
        defer { reader.end() }
        let (name, created) = try listingName(reader.timeline)
        let directory = "\(UnfinishedListing.directory(store))/\(name)"
        if BucketListing.isFinished(directory) {
            reporter.note("the listing \(name) is complete already: it is synced as it is")
            return (name, nil)
        }
        try client.resolveCredentials()
        var listing = ListingOptions(
            bucket: store.configuration.bucket, listedBucket: try listedBucket(store.configuration))
        listing.jobs = options.jobs
        listing.expectedRows = try expectedRows(reader)
        if let rows = listing.expectedRows, rows > 20_000 {
            listing.keys = try reader.spacedKeys(min(1023, rows / 1000))
        }
        (listing.call, listing.isCallCertain) = try call(reader)
        let reporter = self.reporter
        let run = try BucketListing(client, listing, directory: directory, created: created) {
            reporter.progress(.listing($0))
        }
        let outcome = try run.run()
        if let refusal = client.unsignedRefusal { reporter.warning(refusal) }
        return (name, outcome)
    }

    /// What an inventory of the bucket names it.
    private func listedBucket(_ configuration: StoreConfiguration) throws(IcecoreError) -> String {
        guard S3Location.isBucketName(configuration.listedBucket) else {
            throw IcecoreError(
                .usage,
                "the bucket is known by the ARN of an access point only: add its name as \"sourceBucket\" to "
                    + store.configurationPath)
        }
        return configuration.listedBucket
    }

    /// The name of the listing that goes on, or of a new one; and the time that it stands for.
    ///
    /// What was interrupted goes on within a day, unless something newer was synced since.
    private func listingName(_ timeline: Timeline) throws -> (name: String, created: Timestamp) {
        if let name = UnfinishedListing.name(store), let time = InventoryName.timestamp(name),
            timeline.points.allSatisfy({ $0.takenAt < time })
        {
            try UnfinishedListing.removeAll(but: name, store)
            if !BucketListing.isFinished("\(UnfinishedListing.directory(store))/\(name)") {
                reporter.note("the listing \(name) goes on where it was interrupted")
            }
            return (name, time)
        }
        try UnfinishedListing.removeAll(store)
        let taken = Set(timeline.points.map(\.name))
        while true {
            let created = Timestamp(milliseconds: Timestamp.now().milliseconds / 1000 * 1000)
            let name = InventoryName.listing(created)
            if !taken.contains(name) { return (name, created) }
            // There is one of this second.
            try Interruption.check()
            usleep(50_000)
        }
    }

    /// How many rows the newest inventory had; nil if there is none.
    private func expectedRows(_ reader: IndexReader) throws -> Int? {
        try reader.snapshotRecords().last.map { Int(clamping: $0.rowCount) }
    }

    /// The call to begin with: a bucket that never had versions is listed by object, unless the store knows its objects by
    /// the ids of versions.
    ///
    /// - Returns: the call, and whether the server is likely to know it.
    private func call(_ reader: IndexReader) throws -> (S3ListingCall, Bool) {
        if try reader.knowsVersionIds() ?? false { return (.versions, true) }
        do {
            return (try client.hasVersions(store.configuration.bucket) ? .versions : .objects, true)
        } catch let failure as S3Failure where failure.kind == .response {
            // Whoever may not ask, or asks a server that does not know the question, finds out by listing.
            return (.versions, false)
        } catch let error as IcecoreError where error.code == .invalidData {
            return (.versions, false)
        }
    }
}
