import Basics
import Blobs
import Glibc
import Model

extension Export {
    /// Whose file it is that is under a key's name.
    private enum Admission {
        case nobodys
        /// As an export left it.
        case own
        /// Perhaps of another spelling of the name, which then has to go first.
        case unknown(isSpelledOtherwise: Bool)
        /// Another key's.
        case others
    }

    /// Exports the current file of a walk, or decides what becomes of one that is no longer shown.
    func file(_ walk: ExportWalk) throws {
        let place = places[places.count - 1]
        guard let item = walk.item else { return try removeOrKeep(walk, place) }
        // An empty content needs no blob.
        let found = try blobs.find(etag: item.etag, size: item.size) {
            try reader.blobFacts(etag: item.etag, size: item.size).sha256
        }
        guard let blob = found ?? (item.size == 0 ? FileWriter.nothing : nil) else {
            outcome.missing += 1
            try report(.missing(key: walk.key, Export.reason(item), cause: nil))
            return try keepLines(walk.listed, place)
        }
        switch place.state {
        case .leftOut(let reason): try leaveOut(walk.key, reason)
        case .absent: count(item)
        case .fresh, .old:
            if let tree { try export(item, blob, walk, place, tree) }
        }
    }

    private static func reason(_ item: ShownItem) -> MissingReason {
        if item.flags.contains(.pruned) { return .pruned }
        if item.flags.contains(.gone) { return .gone }
        return item.flags.contains(.archived) ? .archived : .notHere
    }

    private func count(_ item: ShownItem) {
        outcome.bytes = outcome.bytes.addingClamped(item.size)
        outcome.files += 1
        progress(outcome)
    }

    private func export(
        _ item: ShownItem, _ blob: BlobPlace, _ walk: ExportWalk, _ place: ExportPlace, _ tree: TargetTree
    ) throws {
        let name = ListedName.fileName(walk.name)
        var found = try tree.look(name)
        if case .impossible(let number) = found {
            try leaveOut(walk.key, .name, cause: String(cString: strerror(number)))
            return try keepLines(walk.listed, place)
        }
        if case .directory = found, place.state == .old {
            if try isAnothers(walk.listed, name, place, tree) {
                try leaveOut(walk.key, .sameName)
                try list?.writeAlias(walk.name)
                return
            }
            guard isDeleting, try clearDirectory(walk, tree) else {
                try leaveOut(walk.key, .inTheWay, cause: "'\(tree.describe(name))' is a directory")
                return try keepLines(walk.listed, place)
            }
            found = .nothing
        }
        let admission = try admit(name, found, walk.listed, place, tree)
        if case .others = admission {
            try leaveOut(walk.key, .sameName)
            try list?.writeAlias(walk.name)
            return
        }
        if case .file(let status) = found, try isThere(name, status, item, walk.listed, admission, blob, tree) {
            outcome.skipped += 1
            count(item)
            try list?.write(Export.stamp(item, status), walk.name)
        } else if isDryRun {
            count(item)
        } else {
            try write(name, item, blob, found, admission, walk, place, tree)
        }
    }

    private func write(
        _ name: [UInt8], _ item: ShownItem, _ blob: BlobPlace, _ found: TargetTree.FoundEntry, _ admission: Admission,
        _ walk: ExportWalk, _ place: ExportPlace, _ tree: TargetTree
    ) throws {
        var isNew = false
        if case .nothing = found { isNew = true }
        let shorter = isNew ? try Export.shortened(name).map { try tree.look($0) } : nil
        var replacing = false
        if case .unknown(true) = admission { replacing = true }
        let written = try writer.write(
            name, in: tree, from: blob, size: item.size, time: timespec(milliseconds: item.time.milliseconds),
            isNew: isNew, replacing: replacing)
        switch written {
        case .made(let made, var status):
            let time = timespec(milliseconds: item.time.milliseconds)
            if made != .linked, !tolerance.isEqual(status.st_mtim, time) {
                // Some drivers change it when they rename.
                status = try FileWriter.setTime(time, of: name, in: tree)
            }
            if try isShortened(name, shorter, tree) {
                try tree.remove(name)
                return try leaveOut(walk.key, .name)
            }
            if isNew { place.add(status) }
            switch made {
            case .linked: outcome.linked += 1
            case .cloned: outcome.cloned += 1
            case .copied: outcome.copied += 1
            }
            count(item)
            try list?.write(Export.stamp(item, status), walk.name)
        case .unreadable(let error):
            outcome.missing += 1
            try report(.missing(key: walk.key, .unreadable, cause: "\(error)"))
            try keepLines(walk.listed, place)
        case .refused(.sameName, _):
            try leaveOut(walk.key, .sameName)
            try list?.writeAlias(walk.name)
        case .refused(let reason, let number):
            place.claimed?.release(name)
            try leaveOut(walk.key, reason, cause: String(cString: strerror(number)))
            try keepLines(walk.listed, place)
        }
    }

    /// Whether a key may have a name under which something is.
    private func admit(
        _ name: [UInt8], _ found: TargetTree.FoundEntry, _ listed: ListedName?, _ place: ExportPlace, _ tree: TargetTree
    ) throws -> Admission {
        if case .nothing = found { return try claim(name, in: place) ? .nobodys : .others }
        // Whatever is there was put there by this run, for another key.
        if place.state == .fresh { return .others }
        if case .file(let status) = found, !place.canBeNew(status), listed?.isAlias != true,
            listed?.stamps.contains(where: { $0.certainty == .certain && isOf(status, $0) }) == true
        {
            return try claim(name, in: place) ? .own : .others
        }
        if listed?.isAlias == true, try isDryRun || place.folds(tree) { return .others }
        guard try beginClaiming(in: place, tree) else { return .unknown(isSpelledOtherwise: false) }
        return try claim(name, in: place) ? .unknown(isSpelledOtherwise: true) : .others
    }

    /// Whether a file is what an export would make.
    private func isThere(
        _ name: [UInt8], _ status: stat, _ item: ShownItem, _ listed: ListedName?, _ admission: Admission,
        _ blob: BlobPlace, _ tree: TargetTree
    ) throws -> Bool {
        guard trustsFiles, Int64(status.st_size) == item.size else { return false }
        var original = stat()
        if let path = blob.path, lstat(path, &original) == 0, original.st_dev == status.st_dev,
            original.st_ino == status.st_ino
        {
            return writer.kind == .hard
        }
        let stamps = (listed?.stamps ?? []).filter { $0.isOf(item) && isOf(status, $0) }
        switch admission {
        case .own: return stamps.contains { $0.certainty == .certain }
        case .unknown(true):
            // It can have been written for another name, at the same time and as large.
            return try stamps.contains { $0.certainty == .possible } && FileWriter.isCopy(name, in: tree, of: blob)
        case .unknown(false): return tolerance.isEqual(status.st_mtim, timespec(milliseconds: item.time.milliseconds))
        case .nobodys, .others: return false
        }
    }

    /// Whether a file is in a state that the list has.
    private func isOf(_ status: stat, _ stamp: ListStamp) -> Bool {
        guard Int64(status.st_size) == stamp.size else { return false }
        let time = timespec(tv_sec: Int(stamp.seconds), tv_nsec: Int(stamp.nanoseconds))
        if stamp.certainty != .certain { return tolerance.isEqual(status.st_mtim, time) }
        return status.st_mtim.tv_sec == time.tv_sec && status.st_mtim.tv_nsec == time.tv_nsec
    }

    private static func stamp(_ item: ShownItem, _ status: stat) -> ListStamp {
        ListStamp(
            certainty: .certain, size: item.size, wanted: item.time.milliseconds,
            seconds: Int64(status.st_mtim.tv_sec), nanoseconds: Int64(status.st_mtim.tv_nsec))
    }

    /// Keeps what the list says of a file that was not written this time.
    private func keepLines(_ listed: ListedName?, _ place: ExportPlace) throws {
        guard place.isThere, var listed, let list else { return }
        listed.stamps.removeAll { $0.certainty == .planned }
        try list.write(listed)
    }

    // MARK: What the view does not show

    /// A file that the list has and the view does not show.
    private func removeOrKeep(_ walk: ExportWalk, _ place: ExportPlace) throws {
        guard place.state == .old, let tree, let listed = walk.listed else { return }
        guard walk.isInScope else {
            try list?.write(listed)
            return
        }
        let name = ListedName.fileName(walk.name)
        // Of anything else, the list has nothing more to say.
        guard !listed.stamps.isEmpty, case .file(let status) = try tree.look(name) else { return }
        let stamps = listed.stamps.filter { isOf(status, $0) }
        if !stamps.isEmpty, place.canBeNew(status) || !stamps.contains(where: { $0.certainty == .certain }) {
            // It can be another key's.
            if try !beginClaiming(in: place, tree), !isDryRun, try place.folds(tree) {
                try list?.write(listed)
                return
            }
        }
        guard try claim(name, in: place) else { return }
        // Where a directory has to be, it goes as what is written over goes.
        guard try !stamps.isEmpty && (isDeleting || walk.showsDirectory()) else {
            try list?.write(listed)
            return
        }
        if !isDryRun { try tree.remove(name) }
        place.claimed?.release(name)
        place.isChanged = true
        outcome.deleted += 1
        let names = places.dropFirst().map { ListedName.fileName($0.name) } + [name]
        try report(.deleted(path: Array(names.joined(separator: [UInt8(ascii: "/")]))))
    }
}
