import CFuse3

/// One request of the kernel, to be answered once.
typealias Request = fuse_req_t
