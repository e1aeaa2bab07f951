import CFuse3
import Glibc

/// The thread's ``RequestWorker``, for libfuse's callbacks.
enum CurrentWorker {
    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key, nil)
        return key
    }()

    static func set(_ worker: RequestWorker) {
        pthread_setspecific(key, Unmanaged.passUnretained(worker).toOpaque())
    }

    @inline(__always)
    static func serve(_ request: Request?, _ body: (RequestWorker, Request) throws -> Void) {
        guard let request else { return }
        guard let pointer = pthread_getspecific(key) else {
            fuse_reply_err(request, EIO)
            return
        }
        Unmanaged<RequestWorker>.fromOpaque(pointer)._withUnsafeGuaranteedRef { worker in
            worker.serve(request) { try body($0, request) }
        }
    }
}

/// The table of operations. A free function, because closures made in an actor's context would be bound to that actor
/// and trap on libfuse's threads. libfuse answers other operations with ENOSYS, which the kernel remembers.
func makeOperations() -> fuse_lowlevel_ops {
    var operations = fuse_lowlevel_ops()
    operations.`init` = { pointer, connection in
        guard let pointer, let connection else { return }
        Unmanaged<FileSystem>.fromOpaque(pointer).takeUnretainedValue().start(connection)
    }
    operations.lookup = { request, parent, name in
        CurrentWorker.serve(request) { worker, request in
            guard let name else { return worker.fail(request, EINVAL) }
            try worker.dispatch(LookupCall(name), to: parent, request)
        }
    }
    operations.getattr = { request, node, _ in
        CurrentWorker.serve(request) { worker, request in try worker.dispatch(GetattrCall(), to: node, request) }
    }
    operations.open = { request, node, info in
        CurrentWorker.serve(request) { worker, request in try worker.open(request, node, info) }
    }
    operations.release = { request, node, info in
        CurrentWorker.serve(request) { worker, request in
            worker.files.passthrough.release(node, handle: info?.pointee.fh ?? 0)
            fuse_reply_err(request, 0)
        }
    }
    operations.opendir = { request, _, info in
        CurrentWorker.serve(request) { worker, request in worker.opendir(request, info) }
    }
    operations.read = { request, node, size, offset, _ in
        CurrentWorker.serve(request) { worker, request in
            try worker.dispatch(ReadCall(count: size, offset: Int64(offset)), to: node, request)
        }
    }
    operations.readdir = { request, node, size, offset, _ in
        CurrentWorker.serve(request) { worker, request in
            try worker.dispatch(
                ReaddirCall(size: size, position: Int64(offset), isPlus: false), to: node, request)
        }
    }
    operations.readdirplus = { request, node, size, offset, _ in
        CurrentWorker.serve(request) { worker, request in
            try worker.dispatch(
                ReaddirCall(size: size, position: Int64(offset), isPlus: true), to: node, request)
        }
    }
    operations.statfs = { request, _ in
        CurrentWorker.serve(request) { worker, request in try worker.statfs(request) }
    }
    operations.getxattr = { request, node, name, size in
        CurrentWorker.serve(request) { worker, request in
            guard let name else { return worker.fail(request, EINVAL) }
            try worker.getxattr(request, node, name, size: size)
        }
    }
    operations.listxattr = { request, node, size in
        CurrentWorker.serve(request) { worker, request in
            try worker.dispatch(ListxattrCall(size: size), to: node, request)
        }
    }
    operations.access = { request, _, mask in fuse_reply_err(request, mask & W_OK == 0 ? 0 : EROFS) }
    refuseChanges(&operations)
    return operations
}

/// The mount is read-only, so the kernel itself refuses changes; this is for one that was remounted.
private func refuseChanges(_ operations: inout fuse_lowlevel_ops) {
    operations.setattr = { request, _, _, _, _ in fuse_reply_err(request, EROFS) }
    operations.mknod = { request, _, _, _, _ in fuse_reply_err(request, EROFS) }
    operations.mkdir = { request, _, _, _ in fuse_reply_err(request, EROFS) }
    operations.unlink = { request, _, _ in fuse_reply_err(request, EROFS) }
    operations.rmdir = { request, _, _ in fuse_reply_err(request, EROFS) }
    operations.symlink = { request, _, _, _ in fuse_reply_err(request, EROFS) }
    operations.rename = { request, _, _, _, _, _ in fuse_reply_err(request, EROFS) }
    operations.link = { request, _, _, _ in fuse_reply_err(request, EROFS) }
    operations.write = { request, _, _, _, _, _ in fuse_reply_err(request, EROFS) }
    operations.setxattr = { request, _, _, _, _, _ in fuse_reply_err(request, EROFS) }
    operations.removexattr = { request, _, _ in fuse_reply_err(request, EROFS) }
    operations.create = { request, _, _, _, _ in fuse_reply_err(request, EROFS) }
    operations.fallocate = { request, _, _, _, _, _ in fuse_reply_err(request, EROFS) }
}

extension RequestWorker {
    fileprivate func open(_ request: Request, _ id: UInt64, _ info: UnsafeMutablePointer<fuse_file_info>?) throws {
        if files.passthrough.isPossible { return try dispatch(OpenCall(), to: id, request) }
        guard !files.kernel.skipsOpen, let info else { return fail(request, ENOSYS) }
        info.pointee.keep_cache = 1
        fuse_reply_open(request, info)
    }

    fileprivate func opendir(_ request: Request, _ info: UnsafeMutablePointer<fuse_file_info>?) {
        guard !files.kernel.skipsOpendir, let info else { return fail(request, ENOSYS) }
        info.pointee.keep_cache = 1
        info.pointee.cache_readdir = 1
        fuse_reply_open(request, info)
    }

    fileprivate func getxattr(_ request: Request, _ id: UInt64, _ name: UnsafePointer<CChar>, size: Int) throws {
        // 'ls -l' asks for an ACL and a label of each file, unless it was told that the whole device has none.
        guard strncmp(name, "user.", 5) == 0 else { return fail(request, EOPNOTSUPP) }
        let prefix = ExtendedAttribute.prefix
        guard strncmp(name, prefix, prefix.utf8.count) == 0 || strcmp(name, ExtendedAttribute.mimeType) == 0 else {
            return fail(request, ENODATA)
        }
        try dispatch(GetxattrCall(name: String(cString: name), size: size), to: id, request)
    }
}
