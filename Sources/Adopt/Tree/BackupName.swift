import Model

/// The name that s3invsync gives to a version that is not the latest: `<name>.old.<version id>.<ETag>`.
///
/// Keys can look like that, too, and version ids and names may have dots: so there are several ways to read one.
enum BackupName {
    private static let mark = Array(".old.".utf8)
    /// What s3invsync keeps for itself: `.s3invsync.versions.json` in each directory, `.s3invsync.state.json` in the first.
    /// They say which version a file is, which its bytes say better.
    private static let own = Array(".s3invsync.".utf8)

    static func isOwn(_ name: [UInt8]) -> Bool {
        name.starts(with: own) && name.suffix(5) == Array(".json".utf8)[...]
    }

    /// The names of keys, and the ETag, that a file's name can mean.
    static func readings(_ name: [UInt8]) -> [(name: [UInt8], etag: ETag)] {
        var readings: [(name: [UInt8], etag: ETag)] = []
        guard name.count > mark.count else { return [] }
        for place in 1..<(name.count - mark.count) where name[place...].starts(with: mark) {
            let rest = name[(place + mark.count)...]
            // The ETag is what follows the last dot.
            guard let dot = rest.lastIndex(of: UInt8(ascii: ".")), dot > rest.startIndex, dot + 1 < rest.endIndex else {
                continue
            }
            readings.append((Array(name[..<place]), ETag(rest[(dot + 1)...])))
        }
        return readings
    }
}
