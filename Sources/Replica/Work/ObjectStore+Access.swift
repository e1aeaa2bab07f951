import Basics
import S3
import Store

extension ObjectStore {
    /// How to reach it.
    func options(
        _ environment: [String: String], jobs: Int? = nil, limitRate: Int64? = nil
    ) throws -> ReplicaOptions {
        var options = ReplicaOptions(environment: environment)
        options.region = region
        options.endpointURL = endpointURL
        options.addressing = try Addressing.setting(addressing)
        options.profile = profile
        options.limitRate = limitRate
        if let jobs { options.jobs = jobs }
        return options
    }

    /// Expects the place to have nothing of another store.
    ///
    /// - Throws: also what stops every access: a server that cannot be reached, or credentials that are not enough.
    public func refuseUnlessFree(_ environment: [String: String]) throws {
        let replica = try Replica(ReplicaURL(url), options(environment))
        guard let marker = replica.marker else { return }
        throw IcecoreError(
            .busy,
            "there is a store, or a replica, at \(replica.url) already (\(marker.storeId)): choose another prefix. "
                + "'icecore clone' makes a store of it")
    }
}
