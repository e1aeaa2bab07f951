/* Faults that no server and no file system can be asked for, in any program that libc is loaded into dynamically:
 *
 *     LD_PRELOAD=libFaultShim.so FAULT_…=… icecore …
 *
 * FAULT_KILL=N      The Nth call that changes files (write, pwrite, rename, link, unlink, mkdir, truncate, fsync and their
 *                   like) is the last: SIGKILL before it, or for a write at an odd N in the middle of it.
 * FAULT_COUNT=PATH  How many such calls there were is written to this file when the program ends by itself.
 * FAULT_READ=TEXT   Reads of files and directories whose path holds this text fail with EIO.
 * FAULT_RANGE=FROM-TO  With FAULT_READ: pread fails only where it touches these bytes.
 * FAULT_CLOCK=S[@N] The time of day is S seconds later (earlier, below 0) than it is, from the Nth look at it on.
 * FAULT_NOW=S       The time of day is S seconds after 1970 and stands still.
 * FAULT_LACK=CALL=N,…
 *                   The file system cannot do this, and says so by errno N: linkat, link, renameat2, fchmod, flock (or
 *                   another of the calls above), O_TMPFILE, F_SETLK, MAP_SHARED.
 * FAULT_STATFS=N    Every file system says that it is of this kind: N is the number that statfs(2) gives.
 */
