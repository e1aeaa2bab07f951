import Model
import S3

extension S3ResponseHead {
    /// Those headers that are kept of an object, by their names.
    private static let kept: [(name: String, field: HeaderField)] = [
        ("content-type", .contentType), ("content-encoding", .contentEncoding),
        ("content-disposition", .contentDisposition), ("content-language", .contentLanguage),
        ("cache-control", .cacheControl), ("expires", .expires),
        ("x-amz-website-redirect-location", .redirectLocation),
    ]

    /// What an answer to GET or HEAD says of an object besides its bytes. Tags have to be asked for: ``tagCount``.
    public var objectHeaders: ObjectHeaders {
        var headers = ObjectHeaders()
        for (name, field) in S3ResponseHead.kept {
            if let value = value(field), !value.isEmpty { headers.fields[name] = value }
        }
        // S3's default for objects without a type says nothing.
        if headers.fields["content-type"] == "binary/octet-stream" { headers.fields["content-type"] = nil }
        for (name, value) in metadata { headers.fields[ObjectHeaders.metadataPrefix + name] = value }
        return headers
    }
}
