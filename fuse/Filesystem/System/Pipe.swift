import Basics
import Glibc

/// A pipe that no other program inherits.
func makePipe() throws(IcecoreError) -> (read: Int32, write: Int32) {
    var ends: [Int32] = [-1, -1]
    if pipe(&ends) != 0 { throw .system("cannot make", "a pipe", errno: errno) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
}
