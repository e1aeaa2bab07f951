import S3

/// Where the parts of an upload come from.
package protocol PartSource: AnyObject {
    /// How many there are, at least one.
    var count: Int { get }
    /// How many of their requests may be in flight.
    var mostInFlight: Int { get }
    /// The request that makes the next part; nil: none is ready.
    ///
    /// - Parameter done: called with the part's place, from 0, and its ETag. An error thrown here ends the loop's run.
    func next(
        ofUpload id: String, _ object: TargetObject,
        done: @escaping (_ place: Int, Result<String, any Error>) throws -> Void
    ) -> Transfer?
    /// Whether the parts are what they should be, once that is known of all.
    var verdict: Result<Void, any Error>? { get }
}
