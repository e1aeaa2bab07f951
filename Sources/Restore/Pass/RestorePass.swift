import Basics
import S3

/// The one pass over a view and its target, both in the byte order of keys.
final class RestorePass {
    enum PassStep {
        /// An object of the view, and what the target has under its key.
        case wanted(WantedObject, S3ListedObject?)
        /// Something that the target has besides; the key is the target's.
        case extra(S3ListedObject)
        /// The target's next page is on its way.
        case waiting
        case end
    }

    private let walk: WantedWalk
    private let listing: TargetListing
    private let prefix: [UInt8]
    private var wanted: WantedObject?
    private var isWalked = false

    /// - Parameter prefix: of the target.
    init(_ walk: WantedWalk, _ listing: TargetListing, prefix: [UInt8]) {
        (self.walk, self.listing, self.prefix) = (walk, listing, prefix)
    }

    func next() throws -> PassStep {
        if wanted == nil, !isWalked {
            wanted = try walk.next()
            isWalked = wanted == nil
        }
        switch try listing.peek() {
        case .waiting: return .waiting
        case .end:
            guard let wanted else { return .end }
            return take(wanted, nil)
        case .object(let listed):
            guard listed.key.starts(with: prefix) else {
                throw IcecoreError(
                    .invalidData, "the server lists '\(Display.text(listed.key))', which was not asked for")
            }
            guard let wanted else {
                listing.take()
                return .extra(listed)
            }
            let key = listed.key[prefix.count...]
            if key.elementsEqual(wanted.key) {
                listing.take()
                return take(wanted, listed)
            }
            if key.lexicographicallyPrecedes(wanted.key) {
                listing.take()
                return .extra(listed)
            }
            return take(wanted, nil)
        }
    }

    private func take(_ object: WantedObject, _ listed: S3ListedObject?) -> PassStep {
        wanted = nil
        return .wanted(object, listed)
    }
}
