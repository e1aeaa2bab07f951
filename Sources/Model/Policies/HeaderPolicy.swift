/// Whose headers, metadata and tags a store asks for.
public enum HeaderPolicy: String, CaseIterable, Codable, Sendable {
    /// Those of every version: where no content arrives from which they could be learnt, by a request of their own.
    case all
    /// Those that arrive with contents.
    case fetched
    case none
}
