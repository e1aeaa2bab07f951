/// Which HTTP request an easy handle makes.
enum CurlMethod {
    case get, head
    /// Any other, with a body (which may be empty).
    case custom(StaticString, payload: [UInt8])
    /// PUT of this many bytes, which ``EasyHandle/send(into:at:)`` supplies.
    case upload(length: Int64)
}
