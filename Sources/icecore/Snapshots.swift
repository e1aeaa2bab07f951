import ArgumentParser
import Basics

struct Snapshots: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the inventories that were synced, oldest first.")

    @OptionGroup var options: ReadOptions
    @OptionGroup var format: JSONOption

    func run() throws {
        let reader = try options.open().reader()
        let output = Output()
        var json = JSONLine()
        for snapshot in try reader.snapshots() {
            let record = snapshot.record
            if format.json {
                json.begin()
                json.add("name", record.name)
                json.add("takenAt", record.takenAt.rfc3339)
                json.add("complete", snapshot.missing == 0)
                json.add("keys", record.keys)
                json.add("bytes", record.bytes)
                json.end()
                try output.write(json.bytes)
            } else {
                let state =
                    record.metadataOnly
                    ? "metadata only" : snapshot.missing == 0 ? "complete" : "\(snapshot.missing) missing"
                try output.line(
                    "\(record.name)  \(record.takenAt)  \(record.keys.padded(12)) keys  "
                        + "\(record.bytes.byteCount.padded(10))  \(state)")
            }
        }
        try output.flush()
    }
}
