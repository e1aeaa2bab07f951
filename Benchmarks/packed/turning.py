"""What a disk that turns would make of stores with and without packs: the requests to a disk are recorded by the kernel, and
each is given the time that such a disk needs for it; started by turning.sh, as root."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import packs  # noqa: E402

# A drive of 7,200 turns a minute: what it takes to go elsewhere on average, and how fast it reads and writes then. What lies
# just ahead is read past rather than sought.
SEEK = 0.008
RATE = 150e6
AHEAD = 0.5e6
TRACING = "/sys/kernel/tracing"
SECTOR = 512


class Disk:
    """A new file system in a file, as a device whose requests can be recorded."""

    def __init__(self, work, size, files):
        self.image, self.point = f"{work}/image", f"{work}/disk"
        with open(self.image, "wb") as file:
            file.truncate(size)
        subprocess.run(["mkfs.ext4", "-q", "-N", str(files), self.image], check=True)
        found = subprocess.run(["losetup", "-f", "--show", self.image], check=True, capture_output=True, text=True)
        self.device = found.stdout.strip()
        os.makedirs(self.point)
        subprocess.run(["mount", self.device, self.point], check=True)
        number = os.stat(self.device).st_rdev
        self.number = os.major(number) << 20 | os.minor(number)
        if not os.path.exists(f"{TRACING}/events"):
            subprocess.run(["mount", "-t", "tracefs", "none", TRACING], check=True)

    def close(self):
        subprocess.run(["umount", self.point], check=True)
        subprocess.run(["losetup", "-d", self.device], check=True)

    @contextlib.contextmanager
    def recorded(self):
        """The requests while the block runs: [(is a write, first sector, sectors)]."""
        instance = f"{TRACING}/instances/icecore-{os.getpid()}"
        os.mkdir(instance)
        try:
            event = f"{instance}/events/block/block_rq_issue"
            for path, text in [
                    (f"{instance}/buffer_size_kb", "16384"), (f"{event}/filter", f"dev == {self.number}"),
                    (f"{event}/enable", "1")]:
                with open(path, "w") as file:
                    file.write(text)
            requests = []
            ended = threading.Event()

            def follow():
                pipe = os.open(f"{instance}/trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
                rest = b""
                while True:
                    try:
                        piece = os.read(pipe, 1 << 20)
                    except BlockingIOError:
                        piece = b""
                    if not piece:
                        if ended.is_set():
                            break
                        ended.wait(0.05)
                        continue
                    *lines, rest = (rest + piece).split(b"\n")
                    for line in lines:
                        note(line)
                os.close(pipe)

            def note(line):
                # … block_rq_issue: 7,0 RA 4096 () 1234 + 8 none,0,0 [name]
                words = line.split(b"block_rq_issue: ")
                if len(words) != 2:
                    return
                fields = words[1].split()
                place = fields.index(b"+")
                kind, first, count = fields[1], int(fields[place - 1]), int(fields[place + 1])
                if count:
                    requests.append((b"W" in kind, first, count))

            thread = threading.Thread(target=follow)
            thread.start()
            try:
                yield requests
            finally:
                os.sync()
                ended.set()
                thread.join()
        finally:
            os.rmdir(instance)


def turning(requests):
    """How long a disk that turns would take, in seconds; how often it would seek; how much it would move."""
    seconds, seeks, moved, head = 0.0, 0, 0, None
    for _, first, count in requests:
        ahead = (first - head) * SECTOR if head is not None else -1
        if 0 <= ahead <= AHEAD:
            seconds += ahead / RATE
        else:
            seconds += SEEK
            seeks += 1
        seconds += count * SECTOR / RATE
        moved += count * SECTOR
        head = first + count
    return seconds, seeks, moved


class Turning(packs.Bench):
    def __init__(self, work, count, size):
        self.disk = Disk(work, max(2 << 30, count * 24 << 10), count * 3 + 50_000)
        super().__init__(work, count, size, place=self.disk.point)

    @contextlib.contextmanager
    def measured(self, what, who):
        packs.drop_caches()
        with self.disk.recorded() as requests:
            yield
        seconds, seeks, moved = turning(requests)
        self.results.setdefault(what, {})[who] = seconds
        print(f"{what}, {who}: {len(requests)} requests, {seeks} seeks, {moved / 1e6:.0f} MB: {seconds:.1f} s", flush=True)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 1280
    if os.geteuid() != 0:
        sys.exit("turning.sh must be run as root: it records what the kernel asks of a disk")
    work = tempfile.mkdtemp(prefix="icecore-bench-")
    bench = None
    try:
        bench = Turning(work, count, size)
        bench.run()
    finally:
        if bench:
            bench.disk.close()
        shutil.rmtree(work, ignore_errors=True)


main()
