import ReferenceModel
import Testing

/// Expects that nothing is wrong with a life; otherwise records the smallest part of it with which something is.
///
/// - Parameters:
///   - together: how many steps are taken away as one; the life is made of such groups.
///   - complaint: what is wrong with a life, if anything.
func expect(
    _ life: BucketLife, _ title: String, together: Int = 1, sourceLocation: SourceLocation = #_sourceLocation,
    complaint: (BucketLife) throws -> String?
) throws {
    guard let first = try complaint(life) else { return }
    let smallest = smallestFailure(life, title, together: together, complaint: complaint)
    Issue.record("\(title): \(first)\n\(smallest)", sourceLocation: sourceLocation)
}

/// The smallest part of a life, one that is wrong, with which something is wrong.
func smallestFailure(
    _ life: BucketLife, _ title: String, together: Int = 1, complaint: (BucketLife) throws -> String?
) -> SmallestFailure {
    var shrinker = Shrinker(tries: 3000, seconds: 60)
    var smallest = life.shrunk(&shrinker, together: together) { try complaint($0) != nil }
    let evenly = smallest.spaced(5)
    if shrinker.fails({ try complaint(evenly) != nil }) { smallest = evenly }
    return SmallestFailure(
        smallest, of: life, title: title, complaint: (try? complaint(smallest)) ?? "it does not fail again")
}
