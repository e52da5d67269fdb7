"""Rewrites fields of a superblock, with a checksum that verifies: what a newer program would have written.

The layout is that of engine/FORMAT.md: two equal copies of 4,096 bytes, the last four of each the CRC32C of the rest.
"""

import pathlib
import struct

import crc32c

COPY = 4096
VERSION_AT, INCOMPATIBLE_AT = 8, 64


def rewrite(data, at, value):
    """Puts `value` at that offset of both copies."""
    path = pathlib.Path(data) / "superblock"
    content = bytearray(path.read_bytes())
    assert len(content) == 2 * COPY, f"a superblock of {len(content)} bytes"
    for start in (0, COPY):
        content[start + at : start + at + len(value)] = value
        covered = bytes(content[start : start + COPY - 4])
        content[start + COPY - 4 : start + COPY] = struct.pack("<I", crc32c.crc32c(covered))
    path.write_bytes(content)


def set_format_version(data, version):
    rewrite(data, VERSION_AT, struct.pack("<I", version))


def set_incompatible_flag(data, flag):
    rewrite(data, INCOMPATIBLE_AT, struct.pack("<Q", flag))
