import Basics
import CCurl
import Glibc

/// Wakes a waiting ``MultiHandle`` from any thread.
final class Waker: Sendable {
    let descriptor: Int32

    init() throws(IcecoreError) {
        descriptor = try systemCall("cannot create", "eventfd") { eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK)) }
    }

    deinit {
        close(descriptor)
    }

    func wake() {
        var one: UInt64 = 1
        _ = write(descriptor, &one, 8)
    }

    func clear() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
    }
}
