import Basics

/// A report that is configured for a bucket (S3 Inventory).
public struct S3InventoryReport: Sendable {
    public var id = ""
    public var isEnabled = false
    /// `CSV`, `Parquet` or `ORC`.
    public var format = ""
    /// The name of the bucket that it is delivered to, and the prefix there.
    public var bucket = ""
    public var prefix = ""
    /// The report is about keys that begin so; empty: about all.
    public var keyPrefix: [UInt8] = []
    /// Of all versions, not only of the current ones.
    public var hasAllVersions = false
    /// Besides those that every report has, such as `ETag`.
    public var fields: [String] = []

    /// The folder that will hold its dates.
    ///
    /// - Parameter source: the name of the bucket that it is about.
    public func url(source: String) -> String {
        let prefix = prefix.isEmpty ? "" : prefix.hasSuffix("/") ? prefix : "\(prefix)/"
        return "s3://\(bucket)/\(prefix)\(source)/\(id)/"
    }
}

extension S3Client {
    /// The reports that are configured for a bucket (ListBucketInventoryConfigurations).
    ///
    /// - Throws: an ``S3Failure`` as the server answers; `invalidData` for an answer that is something else.
    public func inventoryReports(of bucket: String) throws -> [S3InventoryReport] {
        var reports: [S3InventoryReport] = []
        var token: [UInt8] = []
        repeat {
            var request = S3Request(.get, bucket: bucket)
            request.query = [("inventory", [])]
            if !token.isEmpty { request.query.append(("continuation-token", token)) }
            let (page, next) = try S3InventoryReport.page(try send(request, limit: 4 << 20).bytes)
            reports += page
            // S3 has a thousand at most.
            guard next != token, reports.count <= 1000 else { break }
            token = next
        } while !token.isEmpty
        return reports
    }

    /// Whether a bucket has, or has had, versions (GetBucketVersioning).
    public func hasVersions(_ bucket: String) throws -> Bool {
        var request = S3Request(.get, bucket: bucket)
        request.query = [("versioning", [])]
        let fields = try XMLFields.read(try send(request, limit: 1 << 16).bytes, root: "VersioningConfiguration")
        return !(fields["Status"] ?? "").isEmpty
    }
}

extension S3InventoryReport {
    static func page(_ xml: [UInt8]) throws(IcecoreError) -> (reports: [S3InventoryReport], next: [UInt8]) {
        var reports: [S3InventoryReport] = []
        var report = S3InventoryReport()
        var next: [UInt8] = []
        try XMLReader.forEachElement(of: xml, root: "ListInventoryConfigurationsResult") { element in
            let path = element.path.dropFirst()
            switch path.joined(separator: "/") {
            case "NextContinuationToken": next = element.text
            case "InventoryConfiguration":
                reports.append(report)
                report = S3InventoryReport()
            case "InventoryConfiguration/Id": report.id = element.string
            case "InventoryConfiguration/IsEnabled": report.isEnabled = element.string == "true"
            case "InventoryConfiguration/IncludedObjectVersions": report.hasAllVersions = element.string == "All"
            case "InventoryConfiguration/Filter/Prefix": report.keyPrefix = element.text
            case "InventoryConfiguration/OptionalFields/Field": report.fields.append(element.string)
            case "InventoryConfiguration/Destination/S3BucketDestination/Format": report.format = element.string
            case "InventoryConfiguration/Destination/S3BucketDestination/Prefix": report.prefix = element.string
            case "InventoryConfiguration/Destination/S3BucketDestination/Bucket":
                // arn:aws:s3:::name
                report.bucket = element.string.split(separator: ":").last.map(String.init) ?? ""
            default: break
            }
        }
        return (reports, next)
    }
}
