/// A field of a `manifest.json` that is missing or of the wrong type.
struct ManifestFieldError: Error {
    let name: String
    let problem: String
}
