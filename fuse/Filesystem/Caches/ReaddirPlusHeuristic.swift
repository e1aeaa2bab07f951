/// Guesses which threads of which programs want attributes with the names that they list.
///
/// The kernel asks for attributes at the beginning of every listing. That is twice the work of names alone, and wasted
/// on a `find` by name; without them an `ls -lR` would ask for each file separately. So a thread gets only names at
/// first; once it has looked up a file after a listing, its listings come with attributes. Further on in a directory the
/// kernel itself asks for them if files in it are looked up, so a new `ls -l` loses one buffer at most.
struct ReaddirPlusHeuristic {
    private struct Thread {
        var id: Int32 = 0
        var hasListed = false
        var looksUp = false
    }

    private var threads = [Thread](repeating: Thread(), count: 256)

    /// A thread begins to list a directory; whether it is likely to want attributes.
    mutating func list(_ id: Int32) -> Bool {
        let place = Int(UInt32(bitPattern: id) & 255)
        if threads[place].id != id { threads[place] = Thread(id: id) }
        threads[place].hasListed = true
        return threads[place].looksUp
    }

    /// A thread looks up a file.
    @inline(__always)
    mutating func lookUp(_ id: Int32) {
        let place = Int(UInt32(bitPattern: id) & 255)
        if threads[place].id == id, threads[place].hasListed { threads[place].looksUp = true }
    }
}
