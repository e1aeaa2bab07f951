/// The index's SQL, embedded in the binary. A released step is never changed; new ones are added.
public enum Schema {
    /// The step before which the headers have to be moved.
    public static let headers = "005-headers"
    /// The last step that leaves an index of the format 1 or 2.
    public static let lastOfFormat2 = "004-parts"

    /// The migrations in order: an identifier that the index remembers, and the SQL.
    public static let migrations: [(identifier: String, sql: String)] = [
        ("001-index", String(decoding: PackageResources._01_index_sql, as: UTF8.self)),
        ("002-prune", String(decoding: PackageResources._02_prune_sql, as: UTF8.self)),
        ("003-states", String(decoding: PackageResources._03_states_sql, as: UTF8.self)),
        ("004-parts", String(decoding: PackageResources._04_parts_sql, as: UTF8.self)),
        (headers, String(decoding: PackageResources._05_headers_sql, as: UTF8.self)),
    ]
}
