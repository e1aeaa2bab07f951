import Basics
import Synchronization

/// Where credentials were looked for in vain: what somebody needs to know whose unsigned requests are refused.
final class CredentialTrace: Sendable {
    private let places = Mutex<[String]>([])

    func begin() {
        places.withLock { $0 = [] }
    }

    func add(_ place: String) {
        places.withLock { $0.append(place) }
    }

    /// A sentence without a full stop.
    var explanation: String {
        let looked = places.withLock { $0.isEmpty ? "" : " (looked in \($0.joined(separator: ", ")))" }
        return "no credentials were found\(looked), so requests went unsigned: run 'aws configure', or name a profile "
            + "with AWS_PROFILE or --profile (of an existing store: \"profile\" in its icecore.json); --no-sign-request is "
            + "for public buckets"
    }
}
