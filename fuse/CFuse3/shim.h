// libfuse3's low-level interface for Swift, and what Swift cannot see of the C library: macros.
#define FUSE_USE_VERSION 312
#include <fuse3/fuse_lowlevel.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

static inline unsigned int icecore_major(dev_t device) { return major(device); }
static inline unsigned int icecore_minor(dev_t device) { return minor(device); }

// Reads what the page cache has; -1 where that is nothing.
static inline long icecore_read_cached(int descriptor, void *buffer, unsigned long size, off_t offset) {
    struct iovec piece = {buffer, size};
#ifdef _GNU_SOURCE
    return preadv2(descriptor, &piece, 1, offset, RWF_NOWAIT);
#else
    return syscall(SYS_preadv2, descriptor, &piece, 1UL, offset, 0L, 8 /* RWF_NOWAIT */);
#endif
}

// One call of getdents64(2), which glibc's readdir(3) hides behind a large buffer: for tests.
static inline long icecore_getdents(int descriptor, void *buffer, unsigned long size) {
    return syscall(SYS_getdents64, descriptor, buffer, size);
}
