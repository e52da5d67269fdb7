"""What a store holds after a session of requests: the rules of S3 for one tenant, as dictionaries. No I/O.

A request's effect is applied to a copy; if the server dies under it, the copy and the original are what may be found.
"""

import base64
import dataclasses
import hashlib
import struct
import time
import zlib

import crc32c

PART_BYTES_MIN = 5 << 20
CRC64_POLYNOMIAL = 0x9A6C9329AC4BC9B5
#: The headers that belong to a name, by boto3's parameters.
HEADERS = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType")


class Refused(Exception):
    """The request has no effect, and is answered with this code."""


@dataclasses.dataclass(frozen=True)
class Object:
    """An object: nothing in it changes, a write replaces it."""

    data: bytes
    etag: str
    headers: dict
    metadata: dict
    public: bool = False
    #: Sizes of the parts, if it was uploaded by parts.
    parts: tuple = ()
    #: Algorithm, value and type, if it was stored with a checksum.
    checksum: tuple = ()
    #: When it was put at the earliest, in seconds since 1970 as S3 tells them.
    since: int = 0


@dataclasses.dataclass
class Upload:
    """An upload in progress: what the object will have, and the parts by number."""

    bucket: str
    key: str
    headers: dict
    metadata: dict
    public: bool
    plan: tuple
    parts: dict = dataclasses.field(default_factory=dict)


class Model:
    """Buckets with their objects, and uploads by id."""

    def __init__(self):
        self.buckets = {}
        self.uploads = {}

    def copy(self):
        other = Model()
        other.buckets = {name: dict(objects) for name, objects in self.buckets.items()}
        other.uploads = {
            name: dataclasses.replace(upload, parts=dict(upload.parts)) for name, upload in self.uploads.items()
        }
        return other

    # What is there.

    def find(self, bucket, key):
        if bucket not in self.buckets:
            raise Refused("NoSuchBucket")
        if key not in self.buckets[bucket]:
            raise Refused("NoSuchKey")
        return self.buckets[bucket][key]

    def listing(self, bucket, prefix="", delimiter="", after=""):
        """Keys and common prefixes of a whole listing, each sorted; `after` is for listings without a delimiter."""
        keys, prefixes = [], set()
        for key in sorted(self.buckets[bucket], key=str.encode):
            rest = key[len(prefix) :]
            if not key.startswith(prefix) or key.encode() <= after.encode():
                continue
            if delimiter and delimiter in rest:
                prefixes.add(prefix + rest[: rest.index(delimiter) + len(delimiter)])
            else:
                keys.append(key)
        return keys, sorted(prefixes, key=str.encode)

    def uploads_in(self, bucket, prefix=""):
        inside = [(upload.key, name) for name, upload in self.uploads.items() if upload.bucket == bucket]
        return sorted(item for item in inside if item[0].startswith(prefix))

    # What requests do.

    def check_condition(self, bucket, key, if_match, if_absent):
        now = self.buckets[bucket].get(key)
        if if_absent and now:
            raise Refused("PreconditionFailed")
        if if_match is not None:
            if not now:
                raise Refused("NoSuchKey")
            if now.etag != if_match:
                raise Refused("PreconditionFailed")

    def put(self, bucket, key, made, if_match=None, if_absent=False):
        if bucket not in self.buckets:
            raise Refused("NoSuchBucket")
        self.check_condition(bucket, key, if_match, if_absent)
        self.buckets[bucket][key] = made

    def delete(self, bucket, keys):
        for key in keys:
            self.buckets[bucket].pop(key, None)

    def copy_object(self, source, target, public, replaced):
        found = self.find(*source)
        if source == target and replaced is None:
            raise Refused("InvalidRequest")
        made = dataclasses.replace(found, public=public, since=now())
        if replaced is not None:
            made = dataclasses.replace(made, headers=replaced[0], metadata=replaced[1])
        self.buckets[target[0]][target[1]] = made

    def set_acl(self, bucket, key, public):
        self.buckets[bucket][key] = dataclasses.replace(self.find(bucket, key), public=public)

    def complete(self, upload_id, named):
        """`named` are the numbers and ETags that the request lists."""
        upload = self.uploads.get(upload_id)
        if upload is None:
            raise Refused("NoSuchUpload")
        numbers = [number for number, _ in named]
        if numbers != sorted(set(numbers)):
            raise Refused("InvalidPartOrder")
        for number, etag in named:
            if number not in upload.parts or md5(upload.parts[number]) != etag:
                raise Refused("InvalidPart")
        parts = [upload.parts[number] for number in numbers]
        if any(len(part) < PART_BYTES_MIN for part in parts[:-1]):
            raise Refused("EntityTooSmall")
        data = b"".join(parts)
        digests = b"".join(hashlib.md5(part).digest() for part in parts)
        made = Object(
            data=data,
            etag=f"{md5(digests)}-{len(parts)}",
            headers=upload.headers,
            metadata=upload.metadata,
            public=upload.public,
            parts=tuple(map(len, parts)),
            checksum=of_parts(upload.plan, parts, data),
            since=now(),
        )
        self.buckets[upload.bucket][upload.key] = made
        del self.uploads[upload_id]
        return made

    def delete_bucket(self, bucket):
        if bucket not in self.buckets:
            raise Refused("NoSuchBucket")
        if self.buckets[bucket]:
            raise Refused("BucketNotEmpty")
        del self.buckets[bucket]
        self.uploads = {name: upload for name, upload in self.uploads.items() if upload.bucket != bucket}


def now():
    """The time that a write may have at the earliest: S3 tells whole seconds."""
    return int(time.time())


def md5(data):
    return hashlib.md5(data).hexdigest()


def crc64nvme(data):
    """Slow: for small bodies."""
    value = 0xFFFFFFFFFFFFFFFF
    for byte in data:
        value = CRC64_TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFFFFFFFFFF


def crc64_entry(value):
    for _ in range(8):
        value = (value >> 1) ^ (CRC64_POLYNOMIAL if value & 1 else 0)
    return value


CRC64_TABLE = [crc64_entry(value) for value in range(256)]


def digest(algorithm, data):
    """The bytes of a checksum."""
    match algorithm:
        case "CRC32":
            return struct.pack(">I", zlib.crc32(data))
        case "CRC32C":
            return struct.pack(">I", crc32c.crc32c(data))
        case "CRC64NVME":
            return struct.pack(">Q", crc64nvme(data))
        case "SHA1":
            return hashlib.sha1(data).digest()
        case "SHA256":
            return hashlib.sha256(data).digest()


def checksum(algorithm, data):
    """The checksum of bytes that were uploaded at once, as an `Object` has it."""
    return algorithm, base64.b64encode(digest(algorithm, data)).decode(), "FULL_OBJECT"


def of_parts(plan, parts, data):
    """The checksum of a multipart object: of its bytes, or of its parts' checksums."""
    algorithm, kind = plan
    if kind == "FULL_OBJECT":
        return checksum(algorithm, data)
    joint = digest(algorithm, b"".join(digest(algorithm, part) for part in parts))
    return algorithm, f"{base64.b64encode(joint).decode()}-{len(parts)}", kind


