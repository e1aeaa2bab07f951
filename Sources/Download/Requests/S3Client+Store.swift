import S3
import Store

extension S3Client {
    /// A client for a store's bucket.
    ///
    /// - Parameters:
    ///   - environment: that of the process: credentials, endpoint, region.
    ///   - requesterPays: even if the store's configuration does not say so.
    public convenience init(
        _ store: Store, environment: [String: String], requesterPays: Bool = false,
        loopOptions: TransferLoop.Options = TransferLoop.Options()
    ) throws {
        let configuration = store.configuration
        self.init(
            try S3Configuration(
                region: configuration.region, endpointURL: configuration.endpointURL,
                addressing: Addressing.setting(configuration.addressing), profile: configuration.profile,
                unsigned: configuration.noSignRequest ?? false,
                requesterPays: requesterPays || configuration.requesterPays ?? false, environment: environment),
            loopOptions: loopOptions)
    }
}

extension ContentOrigin {
    /// The bucket of a store.
    init(_ store: Store) {
        self = .bucket(store.configuration.bucket, hasOpaqueETags: store.configuration.etags == .opaque)
    }
}
