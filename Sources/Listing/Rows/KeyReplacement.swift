import Basics
import S3

/// What a key had when it was listed once more: because, by its first listing, it had two latest versions or a gap.
struct KeyReplacement: Sendable {
    let key: [UInt8]
    /// Pages, and which rows of them are the key's.
    var pages: [(page: S3VersionPage, rows: Range<Int>)] = []

    init(key: [UInt8]) {
        self.key = key
    }

    /// That it comes too late, for a key with too many versions to hold.
    func isLate() -> IcecoreError {
        IcecoreError(
            .invalidData,
            "the key '\(Display.escaped(key))' has changed while its versions were listed: run the same command again")
    }
}
