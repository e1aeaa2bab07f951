// Linux system calls that Swift's Glibc module does not show.
int syncfs(int fd);
int renameat2(int old_directory, const char *old_path, int new_directory, const char *new_path, unsigned int flags);
int sync_file_range(int fd, long offset, long count, unsigned int flags);

#include <sys/vfs.h>
// The number of the kind of file system that a file is on; 0 if that cannot be said.
static inline unsigned int icecore_file_system(int descriptor) {
    struct statfs status;
    return fstatfs(descriptor, &status) == 0 ? (unsigned int)status.f_type : 0;
}
