import CFuse3
import Glibc

extension Passthrough {
    /// Puts itself between a session that has just been mounted and the kernel.
    func begin(_ session: OpaquePointer) {
        device = fuse_session_fd(session)
        var hooks = makeHooks()
        // Without hooks nothing is agreed.
        _ = icecore_custom_io(session, &hooks, device)
    }
}

/// A free function for the sake of its closures (see ``makeOperations()``).
private func makeHooks() -> fuse_custom_io {
    var hooks = fuse_custom_io()
    hooks.read = { descriptor, buffer, size, context in
        let count = read(descriptor, buffer, size)
        if count > 0, let buffer, let context {
            Unmanaged<FileSystem>.fromOpaque(context)._withUnsafeGuaranteedRef {
                $0.passthrough.received(buffer, count)
            }
        }
        return count
    }
    hooks.writev = { descriptor, pieces, count, context in
        guard let pieces, let context else { return -1 }
        return Unmanaged<FileSystem>.fromOpaque(context)._withUnsafeGuaranteedRef {
            $0.passthrough.send(descriptor, pieces, count)
        }
    }
    return hooks
}
