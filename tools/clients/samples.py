"""What the clients put: real media of the corpus, the sizes at which clients change their ways, and keys that are hard to
sign, to escape and to list."""

import functools
import hashlib
import os
import time

import corpus

#: Keys that a file system holds as well: relative paths that `sync` of any client can make.
HARD_NAMES = [
    "with space.jpg",
    " leading and trailing ",
    "plus+plus+.jpg",
    "percent%20not a space%.jpg",
    "100%25.jpg",
    "ünïcödé/日本語/файл 😀.jpg",
    "quote'single\"double`.jpg",
    "amp&lt<gt>.jpg",
    "semi;colon:equals=question?.jpg",
    "#hash/@at,comma$dollar.jpg",
    "tilde~(paren)!star*.jpg",
    "[bracket]{brace}^caret|bar.jpg",
    "deep/er/and/deep/er/111/222/333/444/original/0123456789abcdef.jpg",
]

#: Keys that only a program can name.
HARD_KEYS = [
    *HARD_NAMES,
    "double//slash///triple.jpg",
    "back\\slash.jpg",
    "folder/",
    "dots/./and/../more",
    "?list-type=2&prefix=",
    "long/" + "x" * 1019,
]

MIB = 1 << 20
#: Where clients begin to send parts, and where a part ends, is 5, 8, 15 or 16 MiB, give or take one byte.
SIZES = [0, 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 16 * MIB + 12345]

CONTENT_TYPES = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
}


@functools.cache
def pictures():
    """The files of the corpus, smallest first."""
    return sorted(corpus.ensure(), key=lambda path: (path.stat().st_size, path.name))


def of_kind(suffix, number=0):
    """One picture or video of that kind; another for another number."""
    return [path for path in pictures() if path.suffix == suffix][number]


@functools.cache
def of_size(size):
    """That many bytes of the corpus, from file after file."""
    data, paths = bytearray(), iter(reversed(pictures()))
    while len(data) < size:
        data += next(paths).read_bytes()
    return bytes(data[:size])


def tree(folder, sizes=SIZES):
    """A folder of files with hard names, of all these sizes and some media of each kind; returns bytes by relative name.

    The files are a day old: S3 tells the time of a write in whole seconds, cut off, so what was made in the second of its
    upload looks newer than the upload.
    """
    files = {}
    made = time.time() - 86_400
    for number, name in enumerate(HARD_NAMES):
        files[name] = pictures()[number * 7].read_bytes()
    for size in sizes:
        files[f"sizes/{size}.bin"] = of_size(size)
    for suffix in CONTENT_TYPES:
        files[f"media/one{suffix}"] = of_kind(suffix).read_bytes()
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (made, made))
    return files


def read_tree(folder):
    """The bytes of every file under a folder, by relative name."""
    found = {}
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = file.read()
    return found


def assert_same(found, wanted, what):
    """Compares two sets of named bytes; the error names what differs, not the bytes."""
    missing, extra = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    assert not missing and not extra, f"{what}: missing {missing[:5]}, unexpected {extra[:5]}"
    for name in wanted:
        assert found[name] == wanted[name], f"{what}: {name!r} has other bytes ({len(found[name])}, {len(wanted[name])})"


def md5(data):
    return hashlib.md5(data).hexdigest()


def multipart_etag(data, part):
    """The ETag of these bytes, uploaded in parts of that size."""
    digests = [hashlib.md5(data[at : at + part]).digest() for at in range(0, len(data), part)]
    return f"{hashlib.md5(b''.join(digests)).hexdigest()}-{len(digests)}"
