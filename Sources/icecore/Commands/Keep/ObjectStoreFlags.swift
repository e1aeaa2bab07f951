import ArgumentParser
import Basics
import Foundation
import Replica
import S3
import Store

/// Where a new store has its contents if not on its own disk.
struct ObjectStoreFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Keep the contents in an object store, s3://BUCKET/PREFIX, and only the index in the store.",
            valueName: "url"))
    var blobs: String?

    @Option(
        name: .customLong("blobs-endpoint-url"),
        help: ArgumentHelp("The endpoint of that object store.", valueName: "url"))
    var endpointURL: String?

    @Option(name: .customLong("blobs-region"), help: "The region of its bucket.")
    var region: String?

    @Option(name: .customLong("blobs-profile"), help: "The profile in ~/.aws to read its credentials from.")
    var profile: String?

    @Option(
        help: ArgumentHelp(
            "How much of the local disk contents may take on their way there. Default: 2G.", valueName: "size"),
        transform: { try ByteSize.parse($0, ObjectStore.leastSpool...1 << 60) })
    var spool: Int64?

    func validate() throws {
        if blobs == nil, endpointURL != nil || region != nil || profile != nil || spool != nil {
            throw ValidationError(
                "--blobs-endpoint-url, --blobs-region, --blobs-profile and --spool require --blobs")
        }
    }

    /// Has the store keep its contents there, once it is clear that the place can be had.
    ///
    /// - Parameter packBelow: as it was given.
    func apply(to configuration: inout StoreConfiguration, packBelow: Int64?) throws {
        guard let blobs else { return }
        let url = try ReplicaURL(blobs)
        guard case .bucket = url else {
            throw IcecoreError(.usage, "--blobs '\(Display.text(blobs, limit: 300))' must be s3://BUCKET/PREFIX")
        }
        // What a sync would refuse, above all a password in a URL, must not enter the configuration.
        _ = try S3Configuration(region: region, endpointURL: endpointURL, unsigned: true, environment: [:])
        var place = ObjectStore(url: "\(url)", replicaId: UUID().uuidString.lowercased())
        place.region = region
        place.endpointURL = endpointURL
        place.profile = profile
        if let spool { place.spool = spool }
        try place.refuseUnlessFree(Console.environment)
        configuration.pack(below: packBelow ?? ObjectStore.usualPackBelow)
        configuration.keepContents(in: place)
    }
}
