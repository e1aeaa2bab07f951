// Linux system calls that Swift's Glibc module does not show.
int syncfs(int fd);
