import Basics

extension History {
    /// All that decides what views show of a key, for people who look for the reason why a test failed.
    public func explanation(of key: ByteString) -> String {
        guard let history = history(of: key) else { return "\(key) is in no inventory" }
        var lines = ["\(key) in the order of succession:"]
        for version in history.succession {
            let listed = zip(inventories, history.listings).filter { $0.1.versions.contains(version) }
            let names = listed.map { inventory, listing in
                inventory.name + (listing.latest == version ? " (latest)" : "")
            }
            let existence = history.existence(of: version).map { interval in
                let end = interval.upperBound == .distantFuture ? "now on" : interval.upperBound.rfc3339
                return "\(interval.lowerBound) to \(end)"
            }
            let overruled = history.versions.filter { history.overrules(version, $0) }
            lines.append("  \(version)")
            lines.append("    starts \(history.start(of: version)), exists \(existence.joined(separator: ", "))")
            lines.append("    listed in \(names.joined(separator: ", "))")
            for loser in overruled { lines.append("    overrules \(loser)") }
        }
        let others = zip(inventories, history.listings).filter { $0.1.versions.isEmpty }.map(\.0.name)
        if !others.isEmpty { lines.append("  not in \(others.joined(separator: ", "))") }
        return lines.joined(separator: "\n")
    }
}
