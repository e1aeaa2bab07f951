import CLinux

/// Has buffers of up to a few MiB come from the heap again and again, instead of from pages that are mapped, and filled with
/// zeros, for each of them: for a process that needs them all the time.
public func reuseLargeBlocks() {
    mallopt(M_MMAP_THRESHOLD, 4 << 20)
    mallopt(M_TRIM_THRESHOLD, 64 << 20)
}
