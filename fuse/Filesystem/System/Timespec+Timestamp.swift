import Basics
import Glibc

extension timespec {
    init(_ time: Timestamp) {
        self.init(milliseconds: time.milliseconds)
    }

    @inline(__always)
    init(milliseconds: Int64) {
        let seconds = milliseconds >> 63 == 0 ? milliseconds / 1000 : (milliseconds - 999) / 1000
        self.init(tv_sec: Int(seconds), tv_nsec: Int(milliseconds - seconds * 1000) * 1_000_000)
    }
}
