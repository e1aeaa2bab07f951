// libfuse3's low-level interface for Swift, and what Swift cannot see of the C library: macros.
#define FUSE_USE_VERSION 312
#include <fuse3/fuse_lowlevel.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static inline unsigned int icecore_major(dev_t device) { return major(device); }
static inline unsigned int icecore_minor(dev_t device) { return minor(device); }
