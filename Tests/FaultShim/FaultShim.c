#define _GNU_SOURCE
#include "FaultShim.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static long kill_at, clock_offset, clock_from, standing_clock, file_system;
static long bad_from, bad_to;
static const char *read_fault, *count_path, *lack_list;
static atomic_long changes, looks;

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("FAULT_KILL");
    kill_at = text ? atol(text) : 0;
    text = getenv("FAULT_CLOCK");
    if (text) {
        char *rest;
        clock_offset = strtol(text, &rest, 10);
        clock_from = *rest == '@' ? atol(rest + 1) : 0;
    }
    text = getenv("FAULT_NOW");
    standing_clock = text ? atol(text) : 0;
    text = getenv("FAULT_STATFS");
    file_system = text ? strtol(text, NULL, 0) : 0;
    read_fault = getenv("FAULT_READ");
    text = getenv("FAULT_RANGE");
    if (text) sscanf(text, "%ld-%ld", &bad_from, &bad_to);
    count_path = getenv("FAULT_COUNT");
    lack_list = getenv("FAULT_LACK");
}

__attribute__((destructor)) static void end(void) {
    if (!count_path) return;
    char line[32];
    int length = snprintf(line, sizeof line, "%ld\n", atomic_load(&changes));
    int file = (int)syscall(SYS_openat, AT_FDCWD, count_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0) return;
    syscall(SYS_write, file, line, length);
    syscall(SYS_close, file);
}

#define NEXT(name) ((__typeof__(&name))next(&name##_next, #name))

/* Every call looks its own function up once; whoever comes second finds the same. */
static void *next(_Atomic(void *) *place, const char *name) {
    void *found = atomic_load(place);
    if (!found) {
        found = dlsym(RTLD_NEXT, name);
        atomic_store(place, found);
    }
    return found;
}

/* Whether the file system is to lack something, as it would say: -1, or 0. */
static int lack(const char *what) {
    size_t length = strlen(what);
    for (const char *place = lack_list; place && (place = strstr(place, what)); place += length) {
        if (place[length] != '=') continue;
        errno = atoi(place + length + 1);
        return -1;
    }
    return 0;
}

/* Counts a call that changes something; true for the last one. */
static int is_last(void) {
    return atomic_fetch_add(&changes, 1) + 1 == kill_at;
}

static void die(void) {
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    for (;;) pause();
}

static void change(void) {
    if (is_last()) die();
}

#define PASS(result, name, parameters, arguments) \
    static _Atomic(void *) name##_next; \
    result name parameters { \
        change(); \
        if (lack(#name)) return -1; \
        return NEXT(name) arguments; \
    }

PASS(int, fsync, (int file), (file))
PASS(int, fdatasync, (int file), (file))
PASS(int, syncfs, (int file), (file))
PASS(int, rename, (const char *from, const char *to), (from, to))
PASS(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
PASS(int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags), (a, from, b, to, flags))
PASS(int, link, (const char *from, const char *to), (from, to))
PASS(int, linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags))
PASS(int, unlink, (const char *path), (path))
PASS(int, unlinkat, (int directory, const char *path, int flags), (directory, path, flags))
PASS(int, rmdir, (const char *path), (path))
PASS(int, mkdir, (const char *path, mode_t mode), (path, mode))
PASS(int, mkdirat, (int directory, const char *path, mode_t mode), (directory, path, mode))
PASS(int, ftruncate, (int file, off_t length), (file, length))
PASS(int, ftruncate64, (int file, off64_t length), (file, length))
PASS(int, fchmod, (int file, mode_t mode), (file, mode))
PASS(int, futimens, (int file, const struct timespec times[2]), (file, times))

/* Half of what was to be written is there when the end comes. */
#define WRITE(name, parameters, whole, half) \
    static _Atomic(void *) name##_next; \
    ssize_t name parameters { \
        if (is_last()) { \
            if (kill_at & 1) NEXT(name) half; \
            die(); \
        } \
        return NEXT(name) whole; \
    }

WRITE(write, (int file, const void *bytes, size_t count), (file, bytes, count), (file, bytes, count / 2))
WRITE(pwrite, (int file, const void *bytes, size_t count, off_t at), (file, bytes, count, at), (file, bytes, count / 2, at))
WRITE(pwrite64, (int file, const void *bytes, size_t count, off64_t at), (file, bytes, count, at),
      (file, bytes, count / 2, at))

/* Whether reads of an open file are to fail. */
static int is_unreadable(int file) {
    if (!read_fault || !*read_fault) return 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, read_fault) != NULL;
}

/* The same, of some bytes: all of the file, or what touches the bad range. */
static int is_unreadable_at(int file, off64_t at, size_t count) {
    if (bad_to && (at >= bad_to || at + (off64_t)count <= bad_from)) return 0;
    return is_unreadable(file);
}

#define READ(name, parameters, arguments, file) READ_IF(name, parameters, arguments, is_unreadable(file))

#define READ_IF(name, parameters, arguments, condition) \
    static _Atomic(void *) name##_next; \
    ssize_t name parameters { \
        if (condition) { \
            errno = EIO; \
            return -1; \
        } \
        return NEXT(name) arguments; \
    }

READ(read, (int file, void *bytes, size_t count), (file, bytes, count), file)
READ_IF(pread, (int file, void *bytes, size_t count, off_t at), (file, bytes, count, at),
        is_unreadable_at(file, at, count))
READ_IF(pread64, (int file, void *bytes, size_t count, off64_t at), (file, bytes, count, at),
        is_unreadable_at(file, at, count))
READ(preadv, (int file, const struct iovec *parts, int count, off_t at), (file, parts, count, at), file)
READ(preadv2, (int file, const struct iovec *parts, int count, off_t at, int flags), (file, parts, count, at, flags), file)
READ(preadv64v2, (int file, const struct iovec *parts, int count, off64_t at, int flags), (file, parts, count, at, flags),
     file)
READ(splice, (int file, off64_t *at, int to, off64_t *place, size_t count, unsigned flags),
     (file, at, to, place, count, flags), file)
READ(copy_file_range, (int file, off64_t *at, int to, off64_t *place, size_t count, unsigned flags),
     (file, at, to, place, count, flags), file)

/* Some calls have no function of their own where they are made. */
static _Atomic(void *) syscall_next;

long syscall(long number, ...) {
    va_list list;
    long words[6];
    va_start(list, number);
    for (int place = 0; place < 6; place++) words[place] = va_arg(list, long);
    va_end(list);
    if ((number == SYS_preadv2 || number == SYS_pread64 || number == SYS_read) && is_unreadable((int)words[0])) {
        errno = EIO;
        return -1;
    }
    return NEXT(syscall)(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

#define LIST(result, name) \
    static _Atomic(void *) name##_next; \
    result *name(DIR *directory) { \
        if (is_unreadable(dirfd(directory))) { \
            errno = EIO; \
            return NULL; \
        } \
        return NEXT(name)(directory); \
    }

LIST(struct dirent, readdir)
LIST(struct dirent64, readdir64)

/* How much later it is than the clock says. */
static long offset(void) {
    return clock_offset && atomic_fetch_add(&looks, 1) + 1 >= clock_from ? clock_offset : 0;
}

/* What some file systems do not have. */
#define OPEN(name, parameters, arguments) \
    static _Atomic(void *) name##_next; \
    int name parameters { \
        mode_t mode = 0; \
        if (flags & (O_CREAT | __O_TMPFILE)) { \
            va_list list; \
            va_start(list, flags); \
            mode = va_arg(list, mode_t); \
            va_end(list); \
        } \
        if ((flags & O_TMPFILE) == O_TMPFILE && lack("O_TMPFILE")) return -1; \
        return NEXT(name) arguments; \
    }

OPEN(open, (const char *path, int flags, ...), (path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), (path, flags, mode))
OPEN(openat, (int directory, const char *path, int flags, ...), (directory, path, flags, mode))
OPEN(openat64, (int directory, const char *path, int flags, ...), (directory, path, flags, mode))

static _Atomic(void *) flock_next, fcntl_next, fcntl64_next, mmap_next, mmap64_next;

int flock(int file, int operation) {
    return lack("flock") ? -1 : NEXT(flock)(file, operation);
}

static int is_lock(int command) {
    return command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK;
}

int fcntl(int file, int command, ...) {
    va_list list;
    va_start(list, command);
    long argument = va_arg(list, long);
    va_end(list);
    return is_lock(command) && lack("F_SETLK") ? -1 : NEXT(fcntl)(file, command, argument);
}

int fcntl64(int file, int command, ...) {
    va_list list;
    va_start(list, command);
    long argument = va_arg(list, long);
    va_end(list);
    return is_lock(command) && lack("F_SETLK") ? -1 : NEXT(fcntl64)(file, command, argument);
}

static int is_shared(int flags, int file) {
    return file >= 0 && (flags & MAP_SHARED);
}

void *mmap(void *place, size_t length, int protection, int flags, int file, off_t at) {
    if (is_shared(flags, file) && lack("MAP_SHARED")) return MAP_FAILED;
    return NEXT(mmap)(place, length, protection, flags, file, at);
}

void *mmap64(void *place, size_t length, int protection, int flags, int file, off64_t at) {
    if (is_shared(flags, file) && lack("MAP_SHARED")) return MAP_FAILED;
    return NEXT(mmap64)(place, length, protection, flags, file, at);
}

static _Atomic(void *) clock_gettime_next, gettimeofday_next, time_next;

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = NEXT(clock_gettime)(clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        time->tv_sec += offset();
        if (standing_clock) *time = (struct timespec){.tv_sec = standing_clock};
    }
    return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    int result = NEXT(gettimeofday)(time, zone);
    if (result == 0) time->tv_sec += offset();
    if (result == 0 && standing_clock) *time = (struct timeval){.tv_sec = standing_clock};
    return result;
}

time_t time(time_t *place) {
    time_t result = standing_clock ? standing_clock : NEXT(time)(NULL) + offset();
    if (place) *place = result;
    return result;
}

#define STATFS(name, parameters, arguments, status) \
    static _Atomic(void *) name##_next; \
    int name parameters { \
        int result = NEXT(name) arguments; \
        if (result == 0 && file_system) status->f_type = file_system; \
        return result; \
    }

STATFS(statfs, (const char *path, struct statfs *status), (path, status), status)
STATFS(fstatfs, (int file, struct statfs *status), (file, status), status)
