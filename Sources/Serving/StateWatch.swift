import Basics
import Glibc
import Index
import Model

/// Looks for commits on a thread of its own, and makes readers read the new state.
final class StateWatch: @unchecked Sendable {
    // Its thread has it alone.

    /// How often to look at the index, in milliseconds.
    private static let interval = 250
    /// After how many looks without a commit readers release their state of the index, which keeps the write-ahead log
    /// from being checkpointed.
    private static let renewal = 240

    private let served: ServedStore
    private var watch: CommitWatch
    private var reader: IndexReader
    private var version: Int64
    private var looks = 0
    private var last = ""

    init(_ served: ServedStore) throws {
        self.served = served
        watch = try CommitWatch(path: served.store.indexPath)
        version = try watch.dataVersion()
        reader = try served.store.reader()
        reader.end()
    }

    func run() {
        while !served.hasStopped {
            pause(milliseconds: StateWatch.interval)
            do {
                try look()
                last = ""
            } catch {
                if "\(error)" != last { served.log("\(error)") }
                last = "\(error)"
            }
        }
    }

    private func look() throws {
        looks += 1
        if looks % 4 == 0, reader.isReplaced { return try replace() }
        let newest = try watch.dataVersion()
        if newest != version {
            version = newest
            if try reader.isOutdated {
                // A newer program has brought the index to its format: what was prepared before sees less of it.
                reader = try served.store.reader()
                reader.end()
                served.openings.add(1, ordering: .releasing)
            }
            advance()
        } else if looks % StateWatch.renewal == 0 {
            served.rest()
        }
    }

    /// Another file has the name of the index.
    private func replace() throws {
        let opened = try served.store.reader()
        // It is there, and still empty.
        if opened.timeline.newest == nil { return }
        opened.end()
        watch = try CommitWatch(path: served.store.indexPath)
        version = try watch.dataVersion()
        reader = opened
        served.openings.add(1, ordering: .releasing)
        advance()
    }

    private func advance() {
        served.generation.add(1, ordering: .releasing)
        served.rest()
    }
}

func pause(milliseconds: Int) {
    usleep(useconds_t(milliseconds * 1000))
}
