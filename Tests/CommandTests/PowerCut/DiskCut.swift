import Basics
import Foundation
import ReferenceModel
import Testbed

/// What a power cut leaves of what was not durable.
struct DiskCut {
    enum Mood: String, CaseIterable {
        /// Nothing: the disk had not begun to write.
        case nothing
        /// Everything, as after `kill -9`.
        case everything
        /// All names, and files of the right length full of zeros.
        case namesAndSizes
        /// All names, and files as long as they were.
        case names
        /// All bytes, under the names of before.
        case bytes
        /// Everything, but what was taken away is back: names, and the ends of files that were cut short.
        case additions
        /// Nothing, but the names that were taken away are gone.
        case removals
        /// The names up to some moment, as a journal has them; of the bytes any part.
        case journal
        /// Any part of the names, each for itself, even the two ends of a rename; of the bytes any part.
        case scattered
    }

    let mood: Mood
    private var random: SplitMix64
    /// Up to when the journal goes.
    private let end: Int
    private let sector: Int

    init(_ mood: Mood, _ disk: DiskModel, random: inout SplitMix64) {
        self.mood = mood
        var own = SplitMix64(seed: random.next())
        let times = disk.pendingTimes
        end = times.isEmpty ? 0 : own.pick(times)
        sector = own.chance(50) ? 512 : 4096
        self.random = own
    }

    // MARK: - What is left

    /// How many of some changes are left, which come one after the other.
    private mutating func part(_ times: [Int]) -> Int {
        switch mood {
        case .nothing, .bytes, .removals: return 0
        case .everything, .names, .namesAndSizes, .additions: return times.count
        case .journal: return times.prefix { $0 <= end }.count
        case .scattered: return anyPart(times.count)
        }
    }

    private mutating func anyPart(_ count: Int) -> Int {
        switch random.below(3) {
        case 0: 0
        case 1: count
        default: random.below(count + 1)
        }
    }

    private mutating func names(_ node: DiskModel.Inode) -> [String: DiskModel.Inode] {
        var names = node.durable
        var changes: [String: [DiskModel.NameChange]] = [:]
        for change in node.changes { changes[change.name, default: []].append(change) }
        for (name, changes) in changes.sorted(by: { $0.key < $1.key }) {
            switch mood {
            case .additions: names[name] = changes.last { $0.node != nil }?.node ?? names[name]
            case .removals: if changes.contains(where: { $0.node == nil }) { names[name] = nil }
            default:
                let count = part(changes.map(\.at))
                if count > 0 { names[name] = changes[count - 1].node }
            }
        }
        return names
    }

    private mutating func content(_ node: DiskModel.Inode) -> [UInt8] {
        var content = node.content
        let writes = node.writes
        if writes.isEmpty { return content }
        switch mood {
        case .nothing, .names, .removals: return content
        case .namesAndSizes:
            content.removeLast(max(0, content.count - node.size))
            return content + [UInt8](repeating: 0, count: node.size - content.count)
        case .everything, .bytes:
            for write in writes { write.apply(to: &content) }
            return content
        case .additions:
            for write in writes[..<(node.cuts.first ?? writes.count)] { write.apply(to: &content) }
            return content
        case .journal, .scattered: break
        }
        // A file is cut short as a whole or not at all, and what was written after that comes after that: only so can a
        // log be emptied without waiting for the disk, as SQLite does, and all file systems keep to it.
        let cuts = node.cuts
        let kept = cuts.prefix(mood == .journal ? part(cuts.map { writes[$0].at }) : anyPart(cuts.count))
        let most = cuts.count > kept.count ? cuts[kept.count] : writes.count
        let least = kept.last.map { $0 + 1 } ?? 0
        // How long it is, and of which time each sector is, has nothing to do with each other.
        let sizes = node.sizes
        let later = writes[least..<most].map(\.at)
        let size = sizes[least + (mood == .journal ? part(later) : anyPart(later.count))]
        let end = sizes.max() ?? 0
        let share = random.below(4)
        let counts = (0...end / sector).map { _ in
            // Some files have arrived nearly as a whole, others nearly not at all.
            switch share {
            case 0: random.chance(90) ? most : random.below(most + 1)
            case 1: random.chance(90) ? 0 : random.below(most + 1)
            default: anyPart(most)
            }
        }
        content.append(contentsOf: repeatElement(0, count: end - content.count))
        for (age, write) in writes.enumerated().prefix(most) {
            if kept.contains(age), case .size(let size) = write.kind {
                let zeros = [UInt8](repeating: 0, count: end - size)
                DiskModel.Write(at: write.at, kind: .bytes(zeros, offset: size)).apply(to: &content)
            }
            guard case .bytes = write.kind else { continue }
            write.apply(to: &content) { range, copy in
                for number in range.lowerBound / sector...(range.upperBound - 1) / sector where counts[number] > age {
                    copy(range.clamped(to: number * sector..<(number + 1) * sector))
                }
            }
        }
        content.removeLast(max(0, content.count - size))
        return content + [UInt8](repeating: 0, count: max(0, size - content.count))
    }

    // MARK: - The disk after the cut

    /// Lays down what the machine finds when it has power again.
    mutating func write(_ disk: DiskModel) throws {
        var paths: [ObjectIdentifier: String] = [:]
        for (name, node) in names(disk.root).sorted(by: { $0.key < $1.key }) {
            try write(node, "\(disk.path)/\(name)", &paths)
        }
    }

    private mutating func write(
        _ node: DiskModel.Inode, _ path: String, _ paths: inout [ObjectIdentifier: String]
    ) throws {
        if node.isDirectory {
            guard mkdir(path, node.mode | 0o700) == 0 else { throw TestbedError("cannot make '\(path)'") }
            for (name, below) in names(node).sorted(by: { $0.key < $1.key }) {
                try write(below, "\(path)/\(name)", &paths)
            }
            return
        }
        if let other = paths[ObjectIdentifier(node)] {
            guard link(other, path) == 0 else { throw TestbedError("cannot make '\(path)'") }
            return
        }
        paths[ObjectIdentifier(node)] = path
        var content = content(node)
        // Nothing that was only in memory outlives it, and the program knows by this that it was not there since.
        if mood != .everything, path.hasSuffix(".log") { DiskCut.forgetBoot(&content) }
        let file = try File(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        try content.withUnsafeBytes { try file.write($0) }
        fchmod(file.descriptor, node.mode)
        try file.close()
    }

    /// Puts another boot id into the place of the machine's.
    private static func forgetBoot(_ content: inout [UInt8]) {
        guard let id = try? Files.read("/proc/sys/kernel/random/boot_id", limit: 100).filter({ $0 > 0x20 }), !id.isEmpty
        else { return }
        let text = String(decoding: content, as: UTF8.self)
        let other = String(repeating: "0", count: id.count)
        content = Array(text.replacing(String(decoding: id, as: UTF8.self), with: other).utf8)
    }
}
