import Basics
import Glibc

extension Export {
    /// Into a directory of a walk: the target's, if there is one or one can be made.
    func enter(_ walk: ExportWalk) throws {
        let parent = places[places.count - 1]
        guard parent.isThere, let tree else { return push(walk, parent.state) }
        if walk.isShown {
            try enterShown(walk, parent, tree)
        } else {
            try enterHidden(walk, parent, tree)
        }
    }

    /// - Parameter recorded: what the new list says of it; nil if it is not in the list.
    private func push(_ walk: ExportWalk, _ state: ExportPlace.State, _ recorded: ListedDirectory? = nil) {
        push(walk.name, isShown: walk.isShown, state, recorded, offset: list?.offset ?? 0)
    }

    private func push(
        _ name: [UInt8], isShown: Bool, _ state: ExportPlace.State, _ recorded: ListedDirectory?, offset: Int64
    ) {
        places.append(
            ExportPlace(
                name, state, isShown: isShown, recorded: recorded, listOffset: offset,
                namesOffset: list?.offset ?? 0))
    }

    /// - Parameter isMade: an export made it.
    private func open(_ name: [UInt8], isShown: Bool, _ state: ExportPlace.State, isMade: Bool, _ tree: TargetTree)
        throws
    {
        try tree.enter(ListedName.fileName(name))
        if state == .old { try removeLeftovers(tree) }
        let offset = list?.offset ?? 0
        let recorded = ListedDirectory(certainty: .certain, isMade: isMade)
        try list?.write(recorded, name)
        push(name, isShown: isShown, state, recorded, offset: offset)
    }

    private func enterShown(_ walk: ExportWalk, _ parent: ExportPlace, _ tree: TargetTree) throws {
        let name = ListedName.fileName(walk.name)
        switch try tree.look(name) {
        case .nothing:
            guard try claim(name, in: parent) else { return try leaveOutSame(walk) }
            if isDryRun { return push(walk, .absent) }
            let shorter = try Export.shortened(name).map { try tree.look($0) }
            if let number = try tree.make(name) {
                // What a look has not seen is another key's.
                if number == EEXIST { return try leaveOutSame(walk) }
                parent.claimed?.release(name)
                return push(walk, .leftOut(.name))
            }
            if try isShortened(name, shorter, tree) {
                _ = try tree.removeDirectory(name)
                return push(walk, .leftOut(.name))
            }
            if parent.state == .old { parent.hasNewDirectory = true }
            try open(walk.name, isShown: true, .fresh, isMade: true, tree)
        case .directory:
            // Made by this run, for another key.
            if parent.state == .fresh { return try leaveOutSame(walk) }
            let known = walk.listed?.isAlias == true ? nil : walk.listed?.directory
            if known?.certainty != .certain || parent.hasNewDirectory {
                if walk.listed?.isAlias == true, try isDryRun || parent.folds(tree) { return try leaveOutSame(walk) }
                if try beginClaiming(in: parent, tree), known?.certainty == .planned,
                    try isAnothers(walk, name, parent, tree)
                {
                    return push(walk, .leftOut(.sameName))
                }
            }
            guard try claim(name, in: parent) else { return try leaveOutSame(walk) }
            let isMade = known.map { $0.isMade && $0.certainty != .planned } ?? false
            try open(walk.name, isShown: true, .old, isMade: isMade, tree)
        case .file, .other:
            if try parent.state == .fresh || isAnothers(walk.listed, name, parent, tree) {
                return try leaveOutSame(walk)
            }
            push(walk, .leftOut(.inTheWay))
        case .impossible:
            push(walk, .leftOut(.name))
        }
    }

    /// Whether a directory that no export has made for this name was made for a later one, or by somebody who spelled it
    /// otherwise. To take it over would put one key's files under another's name.
    private func isAnothers(
        _ walk: ExportWalk, _ name: [UInt8], _ parent: ExportPlace, _ tree: TargetTree
    ) throws -> Bool {
        guard let claimed = parent.claimed, try claimed.claim(name) else { return false }
        defer { claimed.release(name) }
        if let known = try walk.forkListBehind() {
            while let other = known.name {
                try Interruption.check()
                if ListedName.isDirectory(other), !known.isAtAlias, !known.isAtPlan {
                    let otherName = ListedName.fileName(other)
                    guard try claimed.claim(otherName) else { return true }
                    claimed.release(otherName)
                }
                try known.skip()
            }
        }
        return try ExportPlace.keepsSpelling(tree) && !tree.lists(name)
    }

    /// Whether what is in the way of a key has its name only because the target takes it for another key's.
    func isAnothers(
        _ listed: ListedName?, _ name: [UInt8], _ place: ExportPlace, _ tree: TargetTree
    ) throws -> Bool {
        if listed?.isAlias == true, try isDryRun || place.folds(tree) { return true }
        guard try beginClaiming(in: place, tree), let claimed = place.claimed else { return false }
        guard try claimed.claim(name) else { return true }
        claimed.release(name)
        return false
    }

    /// The target cannot tell it from another key's.
    private func leaveOutSame(_ walk: ExportWalk) throws {
        try list?.writeAlias(walk.name)
        push(walk, .leftOut(.sameName))
    }

    private func enterHidden(_ walk: ExportWalk, _ parent: ExportPlace, _ tree: TargetTree) throws {
        let name = ListedName.fileName(walk.name)
        guard parent.state == .old, let known = walk.listed?.directory, case .directory = try tree.look(name) else {
            return push(walk, .absent)
        }
        if known.certainty != .certain || parent.hasNewDirectory { _ = try beginClaiming(in: parent, tree) }
        guard try claim(name, in: parent) else { return push(walk, .absent) }
        try open(walk.name, isShown: false, .old, isMade: known.isMade, tree)
    }

    /// Out of a directory of a walk; one that an export made and that has become empty is removed.
    func leave(_ walk: ExportWalk) throws {
        let place = places.removeLast()
        guard place.isThere, let tree, let parent = places.last else { return }
        if place.claimed != nil {
            try ClaimedNames.remove(from: tree)
            place.claimed = nil
        }
        if !isDryRun, place.isShown || place.isChanged {
            try tree.setTime(timespec(milliseconds: view.time.milliseconds))
        }
        try tree.leave()
        let name = ListedName.fileName(place.name)
        if isDeleting, !isDryRun, !place.isShown, place.recorded?.isMade == true,
            place.isChanged || walk.isInScope(place.name), try tree.removeDirectory(name)
        {
            parent.isChanged = true
            parent.claimed?.release(name)
            try list?.truncate(to: place.listOffset)
            return
        }
        try list?.end()
    }

    /// Removes what exports wrote into a directory that is where a file has to be.
    ///
    /// - Returns: whether the directory has gone.
    func clearDirectory(_ walk: ExportWalk, _ tree: TargetTree) throws -> Bool {
        let name = walk.name + [UInt8(ascii: "/")]
        guard walk.name != ListedName.object, let known = try walk.forkList() else { return false }
        while let next = known.name, next != name {
            guard ListedName.precedes(next, name) else { return false }
            try known.skip()
        }
        guard known.name == name, let listed = try known.take(), let directory = listed.directory else { return false }
        // In a rehearsal, it is reported when the walk comes to it.
        if isDryRun { return directory.isMade }
        // The list gets its lines when the walk comes to it.
        let kept = list
        list = nil
        defer { list = kept }
        try open(name, isShown: false, .old, isMade: directory.isMade, tree)
        try go(along: ExportWalk(walk, path: walk.path + name, known))
        try leave(walk)
        if case .nothing = try tree.look(walk.name) { return true }
        return false
    }
}
