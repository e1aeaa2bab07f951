import Glibc
import Model

/// A view in the state of the index that a thread reads.
struct CurrentView {
    var number: UInt32
    var source: ViewSource
    var view: View
    /// The modification time of its directories.
    var time: timespec
    /// How long names in it may be kept.
    var entryTimeout: Double
}
