/// Guesses what threads of programs do next: which want attributes with the names that they list, and which read what they
/// look up.
///
/// The kernel asks for attributes at the beginning of every listing. That is twice the work of names alone, and wasted
/// on a `find` by name; without them an `ls -lR` would ask for each file separately. So a thread gets only names at
/// first; once it has looked up a file after a listing, its listings come with attributes. Further on in a directory the
/// kernel itself asks for them if files in it are looked up, so a new `ls -l` loses one buffer at most.
struct ThreadHabits {
    private struct Thread {
        var id: Int32 = 0
        var hasListed = false
        var looksUp = false
        /// Pieces of its listing after the first.
        var pieces: UInt16 = 0
        /// Directories whose small files it was told of since it read one.
        var unread: UInt8 = 0
        /// Whether it has read a small file, and how many it has looked up since.
        var reads = false
        var lookUps: UInt8 = 0
    }

    /// The files of a directory of a million should not all fill the kernel's memory.
    private static let mostPieces: UInt16 = 1000

    private var threads = [Thread](repeating: Thread(), count: 256)

    @inline(__always)
    private mutating func place(_ id: Int32) -> Int {
        let place = Int(UInt32(bitPattern: id) & 255)
        if threads[place].id != id { threads[place] = Thread(id: id) }
        return place
    }

    /// A thread begins to list a directory; whether it is likely to want attributes.
    mutating func list(_ id: Int32) -> Bool {
        let place = place(id)
        threads[place].hasListed = true
        threads[place].pieces = 0
        return threads[place].looksUp
    }

    /// A thread goes on with a listing, in a store with packs.
    ///
    /// - Returns: whether it is likely to want attributes, and whether to look up, or read, small files.
    mutating func goOn(_ id: Int32) -> (looksUp: Bool, reads: Bool) {
        let place = place(id)
        threads[place].pieces = min(threads[place].pieces + 1, ThreadHabits.mostPieces)
        if threads[place].pieces == 1, threads[place].unread < 2 { threads[place].unread += 1 }
        let reads = threads[place].unread < 2 && threads[place].pieces < ThreadHabits.mostPieces
        return (threads[place].looksUp, reads)
    }

    /// A thread looks up a file.
    ///
    /// - Returns: whether it is likely to read it.
    @inline(__always)
    mutating func lookUp(_ id: Int32) -> Bool {
        let place = Int(UInt32(bitPattern: id) & 255)
        guard threads[place].id == id else { return false }
        if threads[place].hasListed { threads[place].looksUp = true }
        guard threads[place].reads, threads[place].lookUps < 4 else { return false }
        threads[place].lookUps += 1
        return true
    }

    /// A thread reads a small file.
    @inline(__always)
    mutating func read(_ id: Int32) {
        let place = place(id)
        threads[place].unread = 0
        threads[place].reads = true
        threads[place].lookUps = 0
    }
}
