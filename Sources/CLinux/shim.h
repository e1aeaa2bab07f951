// Linux system calls and constants that Swift's Glibc module does not show.
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

int syncfs(int fd);
int renameat2(int old_directory, const char *old_path, int new_directory, const char *new_path, unsigned int flags);
int sync_file_range(int fd, long offset, long count, unsigned int flags);
int memfd_create(const char *name, unsigned int flags);
int fallocate(int fd, int mode, off_t offset, off_t length);
int pthread_setname_np(pthread_t thread, const char *name);

// Reads what the page cache has; -1 where that is nothing.
static inline long icecore_read_cached(int descriptor, void *buffer, unsigned long size, off_t offset) {
    struct iovec piece = {buffer, size};
#ifdef _GNU_SOURCE
    return preadv2(descriptor, &piece, 1, offset, RWF_NOWAIT);
#else
    return syscall(SYS_preadv2, descriptor, &piece, 1UL, offset, 0L, 8 /* RWF_NOWAIT */);
#endif
}

// O_TMPFILE, which fcntl.h defines only with _GNU_SOURCE.
static const int icecore_o_tmpfile = 020000000 | O_DIRECTORY;

// O_NOATIME: glibc declares it only with _GNU_SOURCE.
static const int icecore_o_noatime = 01000000;
// SYNC_FILE_RANGE_WRITE, of which the same is true.
static const unsigned int icecore_sync_file_range_write = 2;
// RENAME_NOREPLACE, likewise.
static const unsigned int icecore_rename_noreplace = 1;

// MFD_CLOEXEC, FALLOC_FL_KEEP_SIZE and FALLOC_FL_PUNCH_HOLE, likewise.
static const unsigned int icecore_mfd_cloexec = 1;
static const int icecore_keep_size = 1;
static const int icecore_punch_hole = 2;

// Makes one file share the blocks of another, by FICLONE of linux/fs.h, which cannot be included beside sys/mount.h.
static inline int icecore_clone(int source, int target) {
    return ioctl(target, _IOW(0x94, 9, int), source);
}

// The number of the kind of file system that a file is on; 0 if that cannot be said.
static inline unsigned int icecore_file_system(int descriptor) {
    struct statfs status;
    return fstatfs(descriptor, &status) == 0 ? (unsigned int)status.f_type : 0;
}

// CRC32C by the processor's own instruction, without the inversions at either end; only where icecore_has_crc32c() says so.
#if defined(__x86_64__)
#include <cpuid.h>

static inline int icecore_has_crc32c(void) {
    unsigned int a, b, c = 0, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2) != 0;
}

__attribute__((target("sse4.2")))
static inline unsigned int icecore_crc32c(unsigned int check, const unsigned char *bytes, unsigned long count) {
    unsigned long long wide = check, word;
    for (; count >= 8; bytes += 8, count -= 8) {
        __builtin_memcpy(&word, bytes, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    check = (unsigned int)wide;
    for (; count > 0; bytes++, count--) check = __builtin_ia32_crc32qi(check, *bytes);
    return check;
}
#elif defined(__aarch64__) && defined(__clang__) && defined(__AARCH64EL__)
#include <sys/auxv.h>

static inline int icecore_has_crc32c(void) {
    return (getauxval(AT_HWCAP) & (1UL << 7 /* HWCAP_CRC32 */)) != 0;
}

__attribute__((target("crc")))
static inline unsigned int icecore_crc32c(unsigned int check, const unsigned char *bytes, unsigned long count) {
    unsigned long word;
    for (; count >= 8; bytes += 8, count -= 8) {
        __builtin_memcpy(&word, bytes, 8);
        check = __builtin_arm_crc32cd(check, word);
    }
    for (; count > 0; bytes++, count--) check = __builtin_arm_crc32cb(check, *bytes);
    return check;
}
#else
static inline int icecore_has_crc32c(void) { return 0; }

static inline unsigned int icecore_crc32c(unsigned int check, const unsigned char *bytes, unsigned long count) {
    return check;
}
#endif
