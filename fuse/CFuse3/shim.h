// libfuse3's low-level interface for Swift, and what Swift cannot see of the C library: macros.
#define FUSE_USE_VERSION 312
#include <fuse3/fuse_lowlevel.h>
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

static inline unsigned int icecore_major(dev_t device) { return major(device); }
static inline unsigned int icecore_minor(dev_t device) { return minor(device); }

// libfuse's flag for passthrough in what the kernel is capable of and what is wanted of it; 0 before libfuse 3.17, which
// does not know passthrough. Its soname changed with 3.17, so the version at compile time is that at run time, too.
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
static const uint32_t icecore_capability_passthrough = FUSE_CAP_PASSTHROUGH;
#else
static const uint32_t icecore_capability_passthrough = 0;
#endif

// Puts hooks between libfuse and the kernel. Newer versions of the library define a wrapper of this name.
static inline int icecore_custom_io(struct fuse_session *session, const struct fuse_custom_io *hooks, int descriptor) {
    return fuse_session_custom_io(session, hooks, descriptor);
}

// FUSE_DEV_IOC_BACKING_OPEN and _CLOSE of linux/fuse.h, which is older than the kernel on some systems. The number of
// the backing file, or -1 and errno.
static inline int icecore_backing_open(int device, int descriptor) {
    struct { int32_t fd; uint32_t flags; uint64_t padding; } map = {descriptor, 0, 0};
    return ioctl(device, 0x4010E501UL, &map);
}

static inline int icecore_backing_close(int device, int backing) {
    uint32_t id = (uint32_t)backing;
    return ioctl(device, 0x4004E502UL, &id);
}

// One call of getdents64(2), which glibc's readdir(3) hides behind a large buffer: for tests.
static inline long icecore_getdents(int descriptor, void *buffer, unsigned long size) {
    return syscall(SYS_getdents64, descriptor, buffer, size);
}

// File handles, name_to_handle_at(2) and open_by_handle_at(2): for tests.
static inline int icecore_handle_of(const char *path, int *type, unsigned char *bytes, unsigned int *count) {
    struct { unsigned int count; int type; unsigned char bytes[128]; } handle = {128, 0, {0}};
    int mount;
    if (syscall(SYS_name_to_handle_at, -100 /* AT_FDCWD */, path, &handle, &mount, 0) != 0) return -1;
    *type = handle.type;
    *count = handle.count;
    for (unsigned int place = 0; place < handle.count; place++) bytes[place] = handle.bytes[place];
    return 0;
}

static inline int icecore_open_handle(
    int mount, int type, const unsigned char *bytes, unsigned int count, int flags) {
    struct { unsigned int count; int type; unsigned char bytes[128]; } handle = {count, type, {0}};
    for (unsigned int place = 0; place < count && place < 128; place++) handle.bytes[place] = bytes[place];
    return (int)syscall(SYS_open_by_handle_at, mount, &handle, flags);
}
