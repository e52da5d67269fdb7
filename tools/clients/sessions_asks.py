"""Random requests of boto3 and of strangers, each compared with the model at once."""

import collections
import random
from urllib.parse import quote

import urllib3
from botocore.exceptions import ClientError

import sessions_model as rules
from sessions_model import HEADERS, Object, Refused, md5

#: Sizes at the edges of what the store does differently: small bodies, checksum blocks, extents.
SMALL = (0, 1, 2, 511, 512, 4096, 65_535, 65_536, 65_537)
LARGE = ((1 << 20) - 1, 1 << 20, (1 << 20) + 1, (2 << 20) + 12_345)
PART = 5 << 20
KEYS = (
    "a", "a/b", "a/b/c.jpg", "a/b/d.jpg", "a/c", "b", "cache/1/original.png", "cache/1/small.png", "cache/2/small.png",
    "with space+plus%percent", "ünï/cödé", "quote'\"<&>", "~last",
)
VALUES = {
    "CacheControl": ("public, max-age=315576000, immutable", "no-cache"),
    "ContentDisposition": ('inline; filename="a b.jpg"', "attachment"),
    "ContentEncoding": ("gzip",),
    "ContentLanguage": ("de", "en-GB"),
    "ContentType": ("image/jpeg", "video/mp4", "text/html; charset=utf-8"),
}
METADATA = ({}, {}, {"origin": "https://example.org/?a=b&c"}, {"one": "1", "two": "zwei", "empty-ish": "-"})
DEFAULT_TYPE = "binary/octet-stream"
CHECKSUMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")
PLANS = (("CRC32", "COMPOSITE"), ("CRC32", "FULL_OBJECT"), ("SHA256", "COMPOSITE"))

#: Large contents that come again and again, as media do; their parts are at least as large as parts must be.
KNOWN = [random.Random(size).randbytes(size) for size in (*SMALL, *LARGE)]
PARTS = [random.Random(size).randbytes(size) for size in (PART, PART + 1, PART + 70_000)]


def same(found, expected, what):
    if found != expected:
        raise AssertionError(f"{what}: {shorten(found)}, expected {shorten(expected)}")


def shorten(value):
    if isinstance(value, bytes) and len(value) > 40:
        return f"{len(value)} bytes of MD5 {md5(value)}"
    text = repr(value)
    return text if len(text) < 600 else text[:600] + "..."


def unquoted(etag):
    return etag.strip('"')


class Asks:
    """Requests of one worker in buckets of its own, and the model of them."""

    def __init__(self, name):
        self.name = name
        self.model = rules.Model()
        #: What the model would be if the request in flight took effect, and whether that request began an upload.
        self.after = self.begins = None
        self.counts = collections.Counter()
        self.given_up = []
        #: The time that an object was told to have, by its place.
        self.dates = {}
        self.http = urllib3.PoolManager(retries=False)

    def connect(self, s3, endpoint):
        self.s3, self.endpoint = s3, endpoint
        self.http.clear()

    def start_session(self, seed):
        self.random = random.Random(seed)

    # The ways to ask.

    def ask(self, name, effect=None, **arguments):
        """Sends a request. `effect` does to a copy of the model what the request does, or raises what is answered."""
        after, expected, result = self.model.copy(), None, None
        try:
            result = effect(after) if effect else None
        except Refused as refused:
            expected = str(refused)
        self.after = after if effect and not expected else None
        self.counts[name] += 1
        try:
            answer = getattr(self.s3, name)(**arguments)
        except ClientError as error:
            self.after = None
            code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            told = {"404": "NoSuchKey", "412": "PreconditionFailed"}.get(code, code)
            if expected is None or expected != told and not (code == "404" and expected == "NoSuchBucket"):
                raise AssertionError(f"{name} {shorten(arguments)}: {status} {code}, expected {expected}") from None
            self.counts["refused"] += 1
            self.counts[f"refused {expected}"] += 1
            return None, None
        if expected is not None:
            raise AssertionError(f"{name} {shorten(arguments)}: succeeded, expected {expected}")
        if effect:
            self.model = after
        self.after = None
        return answer, result

    def fetch(self, method, url, **options):
        """A request of someone without a key, or with a link."""
        self.counts["stranger"] += 1
        return self.http.request(method, url, timeout=60, decode_content=False, **options)

    # What to ask about.

    def bucket(self):
        return self.random.choice(sorted(self.model.buckets))

    def key(self, bucket, there=0.7):
        """A key: mostly one that is there."""
        if self.model.buckets[bucket] and self.random.random() < there:
            return self.random.choice(sorted(self.model.buckets[bucket]))
        return self.random.choice(KEYS)

    def place(self, there=0.7):
        bucket = self.bucket()
        return bucket, self.key(bucket, there)

    def content(self):
        chance = self.random.random()
        if chance < 0.35:
            return self.random.choice(KNOWN)
        size = self.random.choice(LARGE if chance < 0.42 else SMALL)
        return self.random.randbytes(size)

    def attributes(self):
        """Headers and user metadata as arguments, and as the object has them."""
        headers = {name: self.random.choice(VALUES[name]) for name in HEADERS if self.random.random() < 0.4}
        metadata = self.random.choice(METADATA)
        arguments = {**headers, "Metadata": metadata} if metadata else dict(headers)
        return arguments, {"ContentType": DEFAULT_TYPE, **headers}, metadata

    def acl(self):
        """A canned ACL or none, and whether it opens the object."""
        chosen = self.random.choice((None, None, "private", "public-read"))
        return ({"ACL": chosen} if chosen else {}), chosen == "public-read"

    # Single objects.

    def put(self):
        bucket, key = self.place(there=0.3)
        data, (arguments, headers, metadata), (acl, public) = self.content(), self.attributes(), self.acl()
        algorithm = self.random.choice(CHECKSUMS)
        if algorithm == "CRC64NVME" and len(data) > 70_000:
            algorithm = "CRC32"
        checksum = rules.checksum(algorithm, data)
        made = Object(data, md5(data), headers, metadata, public, checksum=checksum, since=rules.now())
        if algorithm in ("CRC32C", "CRC64NVME"):
            arguments[f"Checksum{algorithm}"] = made.checksum[1]
        else:
            arguments["ChecksumAlgorithm"] = algorithm
        condition, if_match, if_absent = self.write_condition(bucket, key)
        answer, _ = self.ask(
            "put_object",
            lambda model: model.put(bucket, key, made, if_match, if_absent),
            Bucket=bucket, Key=key, Body=data, **arguments, **acl, **condition,
        )
        if answer:
            same(unquoted(answer["ETag"]), made.etag, "the ETag of a put")
            same(answer.get(f"Checksum{algorithm}"), made.checksum[1], "the checksum of a put")

    def write_condition(self, bucket, key):
        chance = self.random.random()
        if chance < 0.1:
            return {"IfNoneMatch": "*"}, None, True
        if chance < 0.2:
            now = self.model.buckets[bucket].get(key)
            etag = now.etag if now and self.random.random() < 0.7 else md5(b"another")
            return {"IfMatch": f'"{etag}"'}, etag, False
        return {}, None, False

    def get(self):
        bucket, key = self.place()
        answer, found = self.ask(
            "get_object", lambda model: model.find(bucket, key), Bucket=bucket, Key=key, ChecksumMode="ENABLED"
        )
        if answer:
            same(answer["Body"].read(), found.data, f"{bucket}/{key}")
            self.described(bucket, key, answer, found)

    def dated(self, bucket, key, found, date):
        """An object is not older than its writing, and is told to have the same age for as long as it is there."""
        date = date.replace(microsecond=0)
        assert date.timestamp() >= found.since, f"{bucket}/{key} is of {date}, before it was written"
        known, told = self.dates.get((bucket, key), (None, None))
        if known is found:
            same(date, told, f"the date of {bucket}/{key}")
        self.dates[bucket, key] = found, date

    def described(self, bucket, key, answer, found):
        """The headers that tell about an object."""
        self.dated(bucket, key, found, answer["LastModified"])
        same(unquoted(answer["ETag"]), found.etag, "the ETag")
        same(answer["ContentLength"], len(found.data), "the length")
        same({name: answer[name] for name in HEADERS if name in answer}, found.headers, "the headers")
        same(answer["Metadata"], found.metadata, "the metadata")
        if found.checksum:
            algorithm, value, kind = found.checksum
            same((answer.get(f"Checksum{algorithm}"), answer.get("ChecksumType")), (value, kind), "the checksum")

    def head(self):
        bucket, key = self.place()
        answer, found = self.ask(
            "head_object", lambda model: model.find(bucket, key), Bucket=bucket, Key=key, ChecksumMode="ENABLED"
        )
        if answer:
            self.described(bucket, key, answer, found)

    def get_range(self):
        bucket, key = self.place(there=1)
        found = self.model.buckets[bucket].get(key)
        if not found:
            return
        size = len(found.data)
        first = self.random.choice((0, 1, size // 2, max(size - 1, 0), 65_536, 1 << 20, size))
        last = first + self.random.choice((0, 1, 65_535, 65_536, size))
        text, start = self.random.choice(
            ((f"{first}-{last}", first), (f"{first}-", first), (f"-{last + 1}", max(size - last - 1, 0)))
        )
        end = min(last + 1, size) if text == f"{first}-{last}" else size

        def effect(_):
            if start >= size:
                raise Refused("InvalidRange")

        answer, _ = self.ask("get_object", effect, Bucket=bucket, Key=key, Range=f"bytes={text}")
        if answer:
            same(answer["Body"].read(), found.data[start:end], f"bytes={text} of {size}")
            same(answer["ContentRange"], f"bytes {start}-{end - 1}/{size}", "the range")

    def get_part(self):
        bucket, key = self.place(there=1)
        found = self.model.buckets[bucket].get(key)
        if not found or not found.data:
            return
        sizes = found.parts or (len(found.data),)
        number = self.random.randint(1, len(sizes) + 1)

        def effect(_):
            # There is no range of an empty part.
            if number > len(sizes) or sizes[number - 1] == 0:
                raise Refused("InvalidPartNumber")

        answer, _ = self.ask("get_object", effect, Bucket=bucket, Key=key, PartNumber=number)
        if answer:
            start = sum(sizes[: number - 1])
            same(answer["Body"].read(), found.data[start : start + sizes[number - 1]], f"part {number}")
            same(answer.get("PartsCount", 1), len(sizes), "the number of parts")

    def get_if(self):
        bucket, key = self.place(there=1)
        found = self.model.buckets[bucket].get(key)
        if not found:
            return
        etag = self.random.choice((found.etag, md5(b"another")))
        name = self.random.choice(("IfMatch", "IfNoneMatch"))

        def effect(_):
            if (name == "IfMatch") != (etag == found.etag):
                raise Refused("PreconditionFailed" if name == "IfMatch" else "304")

        answer, _ = self.ask("get_object", effect, Bucket=bucket, Key=key, **{name: f'"{etag}"'})
        if answer:
            same(answer["Body"].read(), found.data, f"{bucket}/{key}")

    def delete(self):
        bucket, key = self.place(there=0.8)
        self.ask("delete_object", lambda model: model.delete(bucket, [key]), Bucket=bucket, Key=key)

    def delete_many(self):
        bucket = self.bucket()
        keys = [self.key(bucket, there=0.6) for _ in range(self.random.randint(1, 5))]
        quiet = self.random.random() < 0.5
        objects = [{"Key": key, **({"VersionId": "null"} if self.random.random() < 0.3 else {})} for key in keys]
        answer, _ = self.ask(
            "delete_objects", lambda model: model.delete(bucket, keys),
            Bucket=bucket, Delete={"Objects": objects, "Quiet": quiet},
        )
        same(answer.get("Errors", []), [], "the errors of a batch delete")
        told = {item["Key"] for item in answer.get("Deleted", [])}
        same(told, set() if quiet else set(keys), "the keys that a batch delete tells")

    def copy(self):
        source, target = self.place(there=0.9), self.place(there=0.3)
        acl, public = self.acl() if source != target else ({}, False)
        arguments, replaced = {}, None
        if self.random.random() < 0.4:
            arguments, headers, metadata = self.attributes()
            arguments["MetadataDirective"], replaced = "REPLACE", (headers, metadata)
        answer, _ = self.ask(
            "copy_object", lambda model: model.copy_object(source, target, public, replaced),
            Bucket=target[0], Key=target[1], CopySource={"Bucket": source[0], "Key": source[1]}, **arguments, **acl,
        )
        if answer:
            made = self.model.buckets[target[0]][target[1]]
            same(unquoted(answer["CopyObjectResult"]["ETag"]), made.etag, "the ETag of a copy")

    def set_acl(self):
        (bucket, key), public = self.place(there=0.9), self.random.random() < 0.5
        acl = "public-read" if public else "private"
        self.ask("put_object_acl", lambda model: model.set_acl(bucket, key, public), Bucket=bucket, Key=key, ACL=acl)

    def get_acl(self):
        bucket, key = self.place(there=0.9)
        answer, found = self.ask("get_object_acl", lambda model: model.find(bucket, key), Bucket=bucket, Key=key)
        if answer:
            same(is_open(answer), found.public, "whether anyone may read")

    def tagging(self):
        bucket, key = self.place(there=0.9)
        answer, _ = self.ask("get_object_tagging", lambda model: model.find(bucket, key), Bucket=bucket, Key=key)
        if answer:
            same(answer["TagSet"], [], "the tags")

    # Strangers and links.

    def stranger(self):
        bucket, key = self.place(there=0.9)
        found = self.model.buckets[bucket].get(key)
        answer = self.fetch("GET", f"{self.endpoint}/{bucket}/{quoted(key)}")
        if found and found.public:
            same((answer.status, answer.data), (200, found.data), f"a stranger's {bucket}/{key}")
            same(answer.headers["content-type"], found.headers["ContentType"], "a stranger's content type")
        else:
            same(answer.status, 403, f"a stranger's {bucket}/{key}")
            assert b"<Code>AccessDenied</Code>" in answer.data, answer.data[:300]

    def link_get(self):
        bucket, key = self.place(there=0.9)
        found = self.model.buckets[bucket].get(key)
        url = self.s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key}, ExpiresIn=600)
        answer = self.fetch("GET", url)
        same(answer.status, 200 if found else 404, f"a link to {bucket}/{key}")
        if found:
            same(answer.data, found.data, f"a link to {bucket}/{key}")

    def link_put(self):
        bucket, key = self.place(there=0.3)
        data = self.content()
        made = Object(data, md5(data), {"ContentType": "image/png"}, {}, since=rules.now())
        url = self.s3.generate_presigned_url(
            "put_object", {"Bucket": bucket, "Key": key, "ContentType": "image/png"}, ExpiresIn=600
        )
        self.after = self.model.copy()
        self.after.put(bucket, key, made)
        answer = self.fetch("PUT", url, body=data, headers={"Content-Type": "image/png"})
        same(answer.status, 200, f"a put by link: {answer.data[:300]}")
        self.model, self.after = self.after, None


def is_open(answer):
    """Whether grants open an object to everyone."""
    everyone = [grant for grant in answer["Grants"] if grant["Grantee"].get("URI", "").endswith("/AllUsers")]
    return bool(everyone)


def quoted(key):
    return quote(key, safe="/~")
