import CFuse3
import Glibc
import Synchronization

extension Passthrough {
    /// Prepares a session that has just been mounted: before libfuse 3.17, which can ask for passthrough itself
    /// (``agree(_:)``), with hooks between the library and the kernel. They rewrite the answer to INIT.
    ///
    /// Once 3.17 is the oldest libfuse to support, all of this file can go but the first line of this function.
    func begin(_ session: OpaquePointer) {
        device = fuse_session_fd(session)
        if icecore_capability_passthrough != 0 { return }
        var hooks = makeHooks()
        // Without hooks nothing is agreed.
        _ = icecore_custom_io(session, &hooks, device)
    }

    /// Looks for INIT in what the kernel sent.
    @inline(__always)
    fileprivate func received(_ message: UnsafeRawPointer, _ count: Int) {
        if isDecided.load(ordering: .relaxed) { return }
        // struct fuse_in_header: length, opcode, number, … (40 bytes); struct fuse_init_in: version, version, read-ahead,
        // flags, flags2.
        guard count >= 60, message.loadUnaligned(fromByteOffset: 4, as: UInt32.self) == 26 else { return }
        let flags = message.loadUnaligned(fromByteOffset: 52, as: UInt32.self)
        let more = message.loadUnaligned(fromByteOffset: 56, as: UInt32.self)
        if flags & 1 << 30 != 0, more & 1 << 5 != 0 {
            initial = message.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        } else {
            isDecided.store(true, ordering: .relaxed)
        }
    }

    /// Sends an answer to the kernel; the one to INIT with passthrough added.
    @inline(__always)
    fileprivate func send(_ descriptor: Int32, _ pieces: UnsafeMutablePointer<iovec>, _ count: Int32) -> Int {
        if isDecided.load(ordering: .relaxed) { return writev(descriptor, pieces, count) }
        return sendInitial(descriptor, pieces, count)
    }

    private func sendInitial(_ descriptor: Int32, _ pieces: UnsafeMutablePointer<iovec>, _ count: Int32) -> Int {
        // struct fuse_out_header: length, error, number; struct fuse_init_out: … flags at 12, … flags2 at 32, depth at 36.
        guard count == 2, initial != 0, let header = pieces[0].iov_base, pieces[0].iov_len == 16,
            header.loadUnaligned(fromByteOffset: 8, as: UInt64.self) == initial,
            header.loadUnaligned(fromByteOffset: 4, as: Int32.self) == 0,
            let answer = pieces[1].iov_base, pieces[1].iov_len >= 40
        else { return writev(descriptor, pieces, count) }
        let flags = answer.loadUnaligned(fromByteOffset: 12, as: UInt32.self)
        let more = answer.loadUnaligned(fromByteOffset: 32, as: UInt32.self)
        answer.storeBytes(of: flags | 1 << 30, toByteOffset: 12, as: UInt32.self)
        answer.storeBytes(of: more | 1 << 5, toByteOffset: 32, as: UInt32.self)
        answer.storeBytes(of: 1, toByteOffset: 36, as: UInt32.self)
        // Before the kernel has it, for a request may follow at once.
        agreed.store(true, ordering: .releasing)
        let status = writev(descriptor, pieces, count)
        if status <= 0 { agreed.store(false, ordering: .releasing) }
        isDecided.store(true, ordering: .relaxed)
        return status
    }
}

/// A free function because of its closures (see ``makeOperations()``).
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
