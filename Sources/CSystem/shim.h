// Linux system calls that Swift's Glibc module does not show.
int syncfs(int fd);
int renameat2(int old_directory, const char *old_path, int new_directory, const char *new_path, unsigned int flags);
int sync_file_range(int fd, long offset, long count, unsigned int flags);
