import CLinux
import Glibc

/// A thread of the operating system. It is named, as debuggers and `top -H` show it.
public struct SystemThread: Sendable {
    private let thread: pthread_t

    private final class Body {
        let name: String
        let run: @Sendable () -> Void

        init(_ name: String, _ run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// Starts a thread, to be joined.
    ///
    /// - Parameters:
    ///   - name: at most 15 bytes.
    ///   - body: what it runs; the thread ends when this returns.
    public init(_ name: String, _ body: @escaping @Sendable () -> Void) throws(IcecoreError) {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(Body(name, body))
        let status = pthread_create(
            &thread, nil,
            { pointer in
                guard let pointer else { return nil }
                let body = Unmanaged<Body>.fromOpaque(pointer).takeRetainedValue()
                _ = pthread_setname_np(pthread_self(), body.name)
                body.run()
                return nil
            }, context.toOpaque())
        guard status == 0 else {
            context.release()
            throw .system("cannot start the thread", name, errno: status)
        }
        self.thread = thread
    }

    /// Starts a thread that nobody joins.
    public static func detach(_ name: String, _ body: @escaping @Sendable () -> Void) throws(IcecoreError) {
        pthread_detach(try SystemThread(name, body).thread)
    }

    /// Waits until the thread has ended. To be called once.
    public func join() {
        pthread_join(thread, nil)
    }
}
