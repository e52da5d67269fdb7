#!/usr/bin/env python3
"""Reads a Moraine data directory without Moraine: written from engine/FORMAT.md alone; writes nothing to the directory.

    moraine_reader.py names DIR               live names: bucket/key, bytes, blob id
    moraine_reader.py extract DIR ID OUT      writes the blob ID to OUT, every byte verified

Needs `pip install blake3`; `pip install crc32c` makes it faster. Exit status: 0, 1 (damaged or missing), 2 (usage).
Use it on a closed store or on a copy: a store that is being written changes under the reader.
"""
import functools, os, struct, sys
from blake3 import blake3

try:
    from crc32c import crc32c
except ImportError:
    TABLE = [functools.reduce(lambda crc, _: crc >> 1 ^ 0x82F63B78 * (crc & 1), range(8), byte) for byte in range(256)]

    def crc32c(data, crc=0):
        crc ^= 0xFFFFFFFF
        for byte in data:
            crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
        return crc ^ 0xFFFFFFFF

class Damaged(Exception):
    pass

def check(truth, what):
    if not truth:
        raise Damaged(what)

def cbor(data, at=0):
    """The value at `at`, and where it ends (section 8.2: definite lengths only)."""
    check(at < len(data) and data[at] & 31 < 28, "CBOR")
    major, number, at = data[at] >> 5, data[at] & 31, at + 1
    if number >= 24:
        size = 1 << number - 24
        number, at = int.from_bytes(data[at:at + size], "big"), at + size
    if major in (2, 3):
        value, at = data[at:at + number], at + number
        return (value if major == 2 else value.decode()), at
    if major in (4, 5):
        items = []
        for _ in range(number * (major - 3)):
            item, at = cbor(data, at)
            items.append(item)
        return (items if major == 4 else dict(zip(items[::2], items[1::2]))), at
    return (number == 21 if major == 7 else number), at

class Segment:
    def __init__(self, path):
        self.path, self.file, self.size = path, open(path, "rb"), os.path.getsize(path)
        headers = (self.header(at) for at in range(0, min(self.size, 4 << 20) + 1, 4096))
        fields = next(filter(None, headers), None)
        check(fields and fields[1] == 1, f"{path}: no header of a known version")
        self.start, self.number, self.binding = 2 * fields[2], fields[6], fields[7]
        self.crc_block, self.block = fields[9], fields[11]

    def read(self, at, size):
        self.file.seek(at)
        return self.file.read(size).ljust(size, b"\0")

    def header(self, at):
        """The header's fields, if a copy begins at `at` (section 6)."""
        fields = struct.unpack("<8sII16sQQQQIIQIIQII", self.read(at, 104))
        if fields[0] == b"MORSEGMT" and at in (0, fields[2]) and 4096 <= fields[2] <= 4 << 20:
            copy = self.read(at, fields[2])
            return fields if crc32c(copy[104:], crc32c(copy[:100])) == fields[15] else None

    def record(self, at):
        """Kind, id or stamp, payload and whole length of the record at `at`, verified (section 7)."""
        head = self.read(at, 64)
        magic, kind, version, flags, size, extra, binding, name, extra_crc, crc = struct.unpack("<4sBBHIIQ32sII", head)
        check(magic == b"MREC" and crc32c(head[:60]) == crc and (binding, version) == (self.binding, 1), f"record header at {at}")
        blocks = range(0, size, self.crc_block)
        check(size <= 16 << 20 and extra == (4 * len(blocks) + 7) // 8 * 8 + 16 * (flags & 1) + 16 * (flags & 2), "record lengths")
        extension, payload = self.read(at + 64, extra), self.read(at + 64 + extra, size)
        check(crc32c(extension) == extra_crc, f"record extension at {at}")
        crcs = struct.unpack_from(f"<{len(blocks)}I", extension)
        check(all(crc32c(payload[b:b + self.crc_block]) == crc for b, crc in zip(blocks, crcs)), f"payload at {at}")
        return kind, name, payload, 64 + extra + (size + 7) // 8 * 8

    def records(self):
        """Kind, id or stamp, and offset of every record: by the footer, or by walking the batches (section 9)."""
        tail = self.read(self.size - 64, 64)
        magic, crc, at, size, _, digest = struct.unpack("<4sIQQQ32s", tail)
        sealed = magic == b"MFTR" and crc32c(tail[8:], crc32c(magic)) == crc and at + size <= self.size
        footer = self.read(at, size) if sealed else b""
        if blake3(footer).digest() != digest or crc32c(footer[:188]) != int.from_bytes(footer[188:192], "little"):
            yield from self.walk()
            return
        table, copies = struct.unpack_from("<QQ", footer, 56)
        for entry in range(192, 192 + table, 48):
            yield footer[entry + 32], footer[entry:entry + 32], int.from_bytes(footer[entry + 40:entry + 48], "little")
        at = 192 + table
        while at < 192 + table + copies:
            offset, size = struct.unpack_from("<QI", footer, at)
            yield footer[at + 20], footer[at + 40:at + 72], offset
            at += 16 + size

    def batch(self, at):
        """Length, count of records and attested offset of the batch at `at`; else a block of nothing."""
        head = self.read(at, 64)
        magic, _, version, binding, own, size, count, segment, offset, _, _, crc = struct.unpack("<4sHHQQIIQQQII", head)
        good = magic == b"MBAT" and crc32c(head[:60]) == crc and (version, binding, own) == (1, self.binding, at)
        return (size, count, offset * (segment == self.number)) if good and at + size <= self.size else (self.block, None, 0)

    def walk(self):
        """Up to the first bad batch that reaches beyond the attested end (section 11)."""
        found = {at: self.batch(at) for at in range(self.start, self.size, self.block)}
        attested, at = max(batch[2] for batch in found.values()), self.start
        while at < self.size:
            (size, count, _), inner, intact = found[at], at + 64, []
            try:
                check(count is not None, "batch header")
                for _ in range(count):
                    kind, name, _, length = self.record(inner)
                    intact.append((kind, name, inner))
                    inner += length
            except Damaged as error:
                if at + size > attested:
                    return
                print(f"{self.path}: {error} at {at}", file=sys.stderr)
            yield from intact
            at += size

class Store:
    def __init__(self, root):
        self.where, self.names, self.catalog = {}, {}, {}
        for folder, _, files in os.walk(os.path.join(root, "log")):
            for segment in (Segment(os.path.join(folder, name)) for name in sorted(files) if name.endswith(".seg")):
                for kind, name, offset in segment.records():
                    if kind in (1, 2):
                        self.where.setdefault(name, []).append((segment, offset))
                    elif kind in (3, 4, 5):
                        fields, version = cbor(segment.record(offset)[2])[0], struct.unpack_from("<QQ", name)
                        known = self.catalog if kind == 5 else self.names
                        if version > known.get((fields[0], fields[1]), ((0, 0),))[0]:
                            known[fields[0], fields[1]] = version, kind, fields

    def live(self):
        """Bucket name, key, size and blob id of each object."""
        buckets = {int.from_bytes(key, "big"): entry[2] for (kind, key), entry in self.catalog.items() if kind == 3}
        for (bucket, key), (_, kind, fields) in sorted(self.names.items()):
            if kind == 3 and key[0] != 0 and not buckets.get(bucket, {}).get(2):
                yield buckets.get(bucket, {}).get(30, f"{bucket:016x}"), key.decode(), fields[3], fields[2].hex()

    def content(self, name):
        """Kind and payload of an intact extent or manifest."""
        for segment, offset in self.where.get(name, ()):
            try:
                kind, found, payload, _ = segment.record(offset)
                if found == name and (kind == 2 or blake3(payload).digest() == name):
                    return kind, payload
            except Damaged as error:
                print(f"{segment.path}: {error}", file=sys.stderr)
        raise Damaged(f"nothing intact holds {name.hex()}")

    def extract(self, name, out):
        (kind, payload), hasher = self.content(name), blake3()
        extents = [payload[at:at + 32] for at in range(32, len(payload), 72)] if kind == 2 else [name]
        for extent in extents:
            payload = self.content(extent)[1]
            hasher.update(payload)
            out.write(payload)
        check(hasher.digest() == name, "the blob does not hash to its id")

def main(command="", root="", *rest):
    if command == "names" and root and not rest:
        for bucket, key, size, blob in Store(root).live():
            print(f"{bucket}/{key}\t{size}\t{blob}")
    elif command == "extract" and len(rest) == 2:
        with open(rest[1] + ".part", "wb") as out:
            Store(root).extract(bytes.fromhex(rest[0]), out)
        os.replace(rest[1] + ".part", rest[1])
    else:
        print(__doc__, file=sys.stderr)
        return 2

if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except Damaged as error:
        print(f"moraine_reader: {error}", file=sys.stderr)
        sys.exit(1)
