import Basics
import S3
import Store
import Sync

/// What `init` makes of the reports that are configured for a bucket, where it was told of none.
enum InitialReports {
    /// Takes the only one that can be used, or else decides that the bucket is listed.
    ///
    /// - Returns: whether an inventory was chosen.
    /// - Throws: `usage` if there are several, with the names of all.
    static func choose(
        _ reports: InitialFindings.ConfiguredReports, _ configuration: inout StoreConfiguration
    ) throws -> Bool {
        let source = configuration.listedBucket
        switch reports {
        case .notAskedFor: return false
        case .unknown(let error):
            if let error {
                Console.note("whether inventories are configured is not known: \(Display.line(error.description))")
            }
        case .found(let reports):
            let usable = reports.filter { $0.obstacle == nil }
            for report in reports {
                guard let obstacle = report.obstacle else { continue }
                Console.note("the inventory \(Display.text(report.id, limit: 100)) cannot be used: it \(obstacle)")
            }
            if usable.count > 1 {
                let urls = usable.map { "--inventory \(Display.text($0.url(source: source)))" }
                throw IcecoreError(
                    .usage,
                    "several inventories of the bucket can be used: say which one, or --list: "
                        + urls.joined(separator: ", "))
            }
            if let only = usable.first {
                configuration.inventory = only.url(source: source)
                Console.note("the bucket has the inventory \(Display.text(only.url(source: source)))")
                return true
            }
            if reports.isEmpty { Console.note("no inventory is configured for the bucket") }
        }
        guard S3Location.isBucketName(source) else {
            throw IcecoreError(
                .usage,
                "without an inventory the bucket has to be listed, and an access point's ARN does not say what it is called: "
                    + "add --source-bucket NAME")
        }
        configuration.lists = true
        return false
    }
}
