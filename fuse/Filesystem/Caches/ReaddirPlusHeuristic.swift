/// Which threads of which programs look at the files that they list.
///
/// The kernel asks for attributes with the beginning of every listing. That is twice the work of names alone, and
/// wasted on a `find` by name; without it an `ls -lR` would ask for each file by itself. So a thread gets names first;
/// once it looked up a file after a listing, its listings come with attributes. The kernel itself asks for them further
/// on in directories whose files are looked up, so that what a new `ls -l` can lose is bounded by one buffer.
struct ReaddirPlusHeuristic {
    private struct Thread {
        var id: Int32 = 0
        var hasListed = false
        var looksUp = false
    }

    private var threads = [Thread](repeating: Thread(), count: 256)

    /// A thread begins to list a directory. Whether it wants attributes, as far as is known.
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
