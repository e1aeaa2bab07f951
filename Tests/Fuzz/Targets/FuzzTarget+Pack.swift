import Packs

extension FuzzTarget {
    /// What is sound is what its name says, and is found by it; the same file gives the same each time.
    static func pack(_ bytes: [UInt8]) {
        var seen: [String] = []
        for _ in 0..<2 {
            let said = attempt { seen.append(try PackFuzzEntryPoints.read(bytes)) }
            precondition(said == nil, "an error of the reader itself")
        }
        precondition(seen.first == seen.last, "something else is found the second time")
    }
}
