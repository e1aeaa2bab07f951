"""What samples in columnar formats are made of, and the lines that say so: fields apart by 0x1f, \\N for none, times in
milliseconds."""
import random

SECOND = 10 ** 9


def rows(count, seed, nulls=0.0):
    """Rows as an inventory has them; times in nanoseconds."""
    random.seed(seed)
    time = 1_700_000_000
    for number in range(count):
        time += random.choice([0, 0, 1, 7, -3])
        row = [
            "bucket", "folder %04d/a+b%%41 ключ-%d.bin" % (number // 300, number),
            None if number % 5 == 0 else "".join(random.choice("abcXYZ019._") for _ in range(32)),
            number % 3 > 0, random.random() < 0.05,
            random.choice([0, 5, 1 << 20, random.randrange(1 << 40)]), time * SECOND + random.choice([0, 0, 123_000_000]),
            "%032x" % random.randrange(1 << 128), random.choice(["STANDARD", "GLACIER", "INTELLIGENT_TIERING"]),
            random.random() < 0.5, "SSE-S3", None,
        ]
        yield tuple(None if random.random() < nulls else value for value in row)


def field(value, kind):
    if value is None:
        return "\\N"
    if kind in ("time", "timestamp"):
        return str(value // 1_000_000)
    return str(int(value)) if isinstance(value, bool) else str(value)


def expect(path, table, columns):
    with open(path + ".txt", "w", encoding="utf-8", newline="\n") as file:
        for row in table:
            file.write("\x1f".join(field(value, kind) for value, (_, kind) in zip(row, columns)) + "\n")
