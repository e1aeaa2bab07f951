/// A key as directories and names see it.
public enum Key {
    /// Splits a key, or a string prefix of keys, after its last `/`.
    ///
    /// - Returns: the prefix of its directory, which ends with `/` or is empty, and the rest.
    public static func split(_ key: [UInt8]) -> (directory: ArraySlice<UInt8>, name: ArraySlice<UInt8>) {
        let place = key.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
        return (key[..<place], key[place...])
    }
}
