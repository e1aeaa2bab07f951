import Basics
import Inventory
import Store
import Sync

/// What `init` says of the inventory, the credentials and the disk: sentences, one a line.
struct InitialReport {
    let findings: InitialFindings
    /// Where the inventories are to be.
    let inventoryURL: String?
    let site: StoreSite
    let room: DiskRoom?

    var lines: [String] {
        inventory + signing + bucket + disk
    }

    // MARK: - The inventory

    private var inventory: [String] {
        switch findings.inventory {
        case .none: []
        case .notThereYet:
            [
                "there is no inventory at \(inventoryURL ?? "") yet: S3 delivers the first one within 48 hours. If there "
                    + "should be some, check the URL: it is that of the folder with the dates (2026-03-15T01-00Z/)"
            ]
        case .notLookedAt: ["the inventory was not looked at, for want of credentials"]
        case .unreachable(let error):
            ["the inventory could not be looked at: \(Display.line(error.description))"]
        case .unusable(let name, let error):
            [
                "the newest inventory, \(name), \(error.code == .unsupported ? "cannot be used" : "is damaged or not complete yet")"
                    + ": \(Display.line(error.description))"
            ]
        case .found(let facts):
            [newest(facts)] + contents(facts) + missing(facts)
        }
    }

    private func newest(_ facts: InventoryFacts) -> String {
        let number = facts.dates == 1 ? "the only inventory is" : "the newest of \(facts.dates) inventories is"
        let size = facts.compressedBytes.map { " of \($0.byteCount)" } ?? ""
        let files = facts.files.of("list file") + (facts.files > 0 ? size : "")
        return "\(number) \(facts.name): \(facts.format.rawValue), \(files)"
    }

    private func contents(_ facts: InventoryFacts) -> [String] {
        var lines: [String] = []
        if let failure = facts.sampleFailure {
            lines.append("its first list file cannot be read: \(Display.line(failure.description))")
        }
        guard let estimate = facts.estimate else { return lines }
        let need = estimate.need(unit: room?.free.unit ?? 1)
        if estimate.isExact {
            lines.append(
                "it lists \(estimate.rows.of("version")): \(need.bytes.byteCount) in \(need.files.of("object"))")
        } else {
            lines.append(
                "by its first \((facts.sample?.rows ?? 0).of("row")), it lists about \(estimate.rows.about) versions: about "
                    + "\(need.bytes.byteCount) in \(need.files.about) objects")
        }
        if facts.sample?.archived ?? 0 > 0 {
            lines.append("archived objects, which a sync does not fetch unasked, are not counted in that")
        }
        var all = need
        all.add(overhead: facts.overhead)
        guard let room, let shortage = room.shortage(all, of: "a sync") else { return lines }
        lines.append(
            "\(estimate.isExact ? "" : "if so, ")\(shortage): --filter and --metadata-only limit what a sync fetches")
        return lines
    }

    private func missing(_ facts: InventoryFacts) -> [String] {
        func lacks(_ columns: InventoryColumn...) -> [String] {
            columns.filter(facts.missing.contains).map(\.rawValue)
        }
        var lines: [String] = []
        let versions = lacks(.versionId, .isLatest, .isDeleteMarker)
        if !versions.isEmpty {
            lines.append(
                "it lacks \(versions.joined(separator: ", ")): it lists current versions only, so what was replaced before "
                    + "the first sync, or between two inventories, stays unknown")
        }
        if facts.missing.contains(.etag) {
            lines.append(
                "it lacks ETag: only 'icecore sync --metadata-only' works with it, for dates and listings without "
                    + "contents. Add the field to the configuration of the inventory, or do without an inventory: --list"
            )
        }
        let states = lacks(.storageClass)
        if !states.isEmpty {
            lines.append(
                "it lacks \(states.joined(separator: ", ")): that an object is archived shows only when it is asked for"
            )
        }
        return lines
    }

    // MARK: - Credentials, bucket and disk

    private var signing: [String] {
        switch findings.signing {
        case .unsigned: ["requests will be unsigned, as asked"]
        case .signed(let origin): ["requests will be signed with credentials from \(origin)"]
        case .nothingFound:
            ["no credentials were found: requests will be unsigned, which is enough for public buckets"]
        case .failed(let error): ["credentials cannot be had at the moment: \(Display.line(error.description))"]
        case .unknown: []
        }
    }

    private var bucket: [String] {
        findings.bucketTrouble.map { ["the bucket could not be asked: \(Display.line($0.description))"] } ?? []
    }

    private var disk: [String] {
        var lines: [String] = []
        if let room {
            let inodes = room.free.files.map { " and \($0.of("inode"))" } ?? ""
            lines.append("'\(site.path)' has \(room.free.bytes.byteCount)\(inodes) free")
        }
        let lacking = site.abilities.lacking
        if !lacking.isEmpty {
            let names = lacking.map(\.description)
            let list =
                names.count < 2
                ? names.joined() : names.dropLast().joined(separator: ", ") + " and " + (names.last ?? "")
            lines.append(
                "its file system\(site.abilities.kind.map { " (\($0))" } ?? "") lacks \(list): a store works without")
        }
        return lines
    }
}

extension BinaryInteger {
    /// Two digits of a number and zeros for the rest: `3100000`.
    fileprivate var about: String {
        let digits = String(self)
        guard digits.count > 2, self > 0 else { return digits }
        return String(digits.prefix(2)) + String(repeating: "0", count: digits.count - 2)
    }
}
