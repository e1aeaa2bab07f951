#!/usr/bin/python3
"""Lists a pack, or writes one of its contents, as docs/FORMAT.md says. usage: read_pack.py PACK [NAME]"""
import hashlib
import struct
import sys

PLAIN, MULTIPART, SHA256 = 1, 2, 3


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0x82F63B78 * (value & 1)
    return value ^ 0xFFFFFFFF


def contents(pack):
    """The name and the bytes of each content, in the order of the directory."""
    magic, version, marker, check = struct.unpack(">8sIII", pack[:20])
    assert (magic, version, check) == (b"icecpack", 1, crc32c(pack[:16]))
    directory, count, total, same, digest, check, magic = struct.unpack(">QIQI32sI8s", pack[-68:])
    assert (magic, same, check) == (b"kcapceci", marker, crc32c(pack[-68:-12]))
    assert digest == hashlib.sha256(pack[directory:-68]).digest()
    for number in range(count):
        at = directory + number // 204 * 4084 + number % 204 * 20
        key, place = struct.unpack(">16sI", pack[at:at + 20])
        mark, kind, size = struct.unpack(">IBI", pack[place:place + 9])
        end = place + (33 if kind == MULTIPART else 9)
        content = pack[end + 4:end + 4 + size]
        name = {PLAIN: hashlib.md5, SHA256: hashlib.sha256}.get(kind)
        digest = name(content).digest() if name else b""
        check = crc32c(struct.pack(">I", place) + pack[place:end] + digest)
        assert (mark, check) == (marker, struct.unpack(">I", pack[end:end + 4])[0])
        text = digest.hex()
        if kind == MULTIPART:
            digest, parts, check = struct.unpack(">16sII", pack[place + 9:end])
            assert check == crc32c(content)
            text = f"{digest.hex()}-{parts}"
        assert digest[:16] == key
        yield f"{'x-' if kind == SHA256 else ''}{text}-{size}", content


found = dict(contents(open(sys.argv[1], "rb").read()))
if len(sys.argv) > 2:
    sys.stdout.buffer.write(found[sys.argv[2]])
else:
    print("\n".join(found))
