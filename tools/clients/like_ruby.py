"""The AWS SDK for Ruby as Mastodon has it from 4.6 on (aws-sdk-core 3.216 and newer), imitated: the gem is not run.

Over TLS it sends bodies in `aws-chunked`, in pieces of 16 KiB, with their true Content-Length and a CRC32 behind them;
over http, plain bodies with the CRC32 and the SHA-256 in headers. Its calls are those of Mastodon: an upload with an ACL,
one by parts, a range, a batch delete, an ACL.
"""

import re

import samples
import stage
from like import TRAILER, Imitation, chunked, crc32, etag_of, refused
from samples import MIB

#: The SDK cuts a body so that a chunk has this length with its frame: its size in hexadecimal and two line ends.
CHUNK_BYTES = 16384 - len("4000\r\n\r\n")
#: What Mastodon sets for every file.
HEADERS = [
    ("cache-control", "public, max-age=315576000, immutable"),
    ("content-type", "image/jpeg"),
    ("x-amz-acl", "public-read"),
]
AGENT = "aws-sdk-ruby3/3.252.0 ua/2.1 api/s3#1.225.1 lang/ruby#3.4.7"
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class Ruby(Imitation):
    def put(self, target, data, headers=(), trailer=None):
        """PutObject or UploadPart; `trailer` replaces the line behind the body, `""` leaves it out."""
        common = [("x-amz-sdk-checksum-algorithm", "CRC32"), ("expect", "100-continue"), *headers]
        if not self.is_tls and trailer is None:
            return self.ask("PUT", target, [*common, ("x-amz-checksum-crc32", crc32(data))], data)
        coded = chunked(data, CHUNK_BYTES, f"x-amz-checksum-crc32:{crc32(data)}" if trailer is None else trailer)
        framed = [
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", str(len(data))),
            ("x-amz-trailer", "x-amz-checksum-crc32"),
        ]
        return self.ask("PUT", target, [*common, *framed], coded, TRAILER)

    def post(self, target, document):
        """DeleteObjects and its like: a document with its CRC32 in a header."""
        body = document.encode()
        summed = [("x-amz-sdk-checksum-algorithm", "CRC32"), ("x-amz-checksum-crc32", crc32(body))]
        return self.done("POST", target, [*summed, ("content-type", "application/xml")], body)

    def get(self, target, data, checksum):
        """GetObject, whose answer the SDK compares with its checksum."""
        answer = self.done("GET", target, [("x-amz-checksum-mode", "ENABLED"), ("accept-encoding", "")])
        assert answer.body == data, f"{target} came back differently"
        assert answer.headers["x-amz-checksum-crc32"] == checksum, f"{answer.headers}"
        assert "content-encoding" not in answer.headers, f"stored as {answer.headers['content-encoding']}"
        return answer

    def bucket_exists(self):
        self.done("PUT", "")

    def uploads(self):
        sizes = [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 16384, 15 * MIB]
        for size in sizes:
            data = samples.of_size(size)
            answer = self.put(f"/cache/{size}.jpg", data, HEADERS)
            assert answer.status == 200, f"{size} bytes: {answer.status} {answer.body[:300]}"
            assert answer.headers["etag"] == etag_of(data)
            assert answer.headers["x-amz-checksum-crc32"] == crc32(data), f"{answer.headers}"
            self.get(f"/cache/{size}.jpg", data, crc32(data))
            self.stage.seen(self.bucket, f"cache/{size}.jpg", data, content_type="image/jpeg")
        return f"{sizes} bytes"

    def wrong_trailers(self):
        """Each is refused, nothing is stored, and what was there before stays."""
        data, before = samples.of_size(100_000), samples.of_size(1000)
        right = crc32(data)
        cases = {
            f"x-amz-checksum-crc32:{crc32(b'other')}": "BadDigest",
            "": "MalformedTrailerError",
            f"x-amz-checksum-sha256:{right}": "MalformedTrailerError",
            "x-amz-checksum-crc32:": None,
            "x-amz-checksum-crc32:AAAA": None,
        }
        assert self.put("/wrong/before", before).status == 200
        for trailer, code in cases.items():
            for target in ("/wrong/new", "/wrong/before"):
                answer = self.put(target, data, trailer=trailer)
                assert answer.status == 400 and code in (None, answer.code), f"{trailer!r}: {answer.status} {answer.code}"
            self.is_missing("/wrong/new")
            self.get("/wrong/before", before, crc32(before))
        return f"{len(cases)} trailers"

    def upload_by_parts(self):
        """A video above Mastodon's threshold: a wrong trailer of a part, then the whole of it."""
        data = samples.of_size(11 * MIB)
        pieces = [data[start : start + 5 * MIB] for start in range(0, len(data), 5 * MIB)]
        begun = self.done("POST", "/video.mp4?uploads", [*HEADERS, ("x-amz-checksum-algorithm", "CRC32")])
        assert begun.headers["x-amz-checksum-algorithm"] == "CRC32", f"{begun.headers}"
        upload = re.search(rb"<UploadId>([^<]+)</UploadId>", begun.body)[1].decode()
        named = ""
        for number, piece in enumerate(pieces, 1):
            target = f"/video.mp4?partNumber={number}&uploadId={upload}"
            refused(self.put(target, piece, trailer=f"x-amz-checksum-crc32:{crc32(b'other')}"), 400, "BadDigest")
            part = self.put(target, piece)
            assert part.status == 200, f"part {number}: {part.status} {part.body[:300]}"
            summed = part.headers["x-amz-checksum-crc32"]
            assert summed == crc32(piece), f"{part.headers}"
            named += f"<Part><ETag>{part.headers['etag']}</ETag><ChecksumCRC32>{summed}</ChecksumCRC32>"
            named += f"<PartNumber>{number}</PartNumber></Part>"
        document = f'<CompleteMultipartUpload xmlns="{NAMESPACE}">{{}}</CompleteMultipartUpload>'
        target = f"/video.mp4?uploadId={upload}"
        lies = document.format(named.replace(crc32(pieces[0]), crc32(b"other"))).encode()
        true = document.format(named).encode()
        size = [("x-amz-mp-object-size", str(len(data)))]
        lie = self.ask("POST", target, size, lies)
        assert lie.code in ("InvalidPart", "BadDigest"), f"a wrong ChecksumCRC32 of a part: {lie.status} {lie.body[:300]}"
        short = self.ask("POST", target, [("x-amz-mp-object-size", str(len(data) - 1))], true)
        assert short.status == 400, f"a wrong x-amz-mp-object-size: {short.status} {short.body[:300]}"
        self.is_missing("/video.mp4")
        answer = self.done("POST", target, size, true)
        assert etag_of(*pieces).strip('"') in answer.body.decode(), f"{answer.body}"
        composite = re.search(rb"<ChecksumCRC32>([^<]+)</ChecksumCRC32>", answer.body)[1].decode()
        assert composite.endswith(f"-{len(pieces)}"), composite
        self.get("/video.mp4", data, composite)
        self.stage.seen(self.bucket, "video.mp4", data, content_type="image/jpeg")

    def permissions(self):
        """PutObjectAcl, which sends an empty body with its checksum."""
        path = "cache/1.jpg"
        summed = [("x-amz-sdk-checksum-algorithm", "CRC32"), ("x-amz-checksum-crc32", crc32(b""))]
        self.done("PUT", f"/{path}?acl", [*summed, ("x-amz-acl", "private")])
        self.stage.unseen(self.bucket, path)
        wrong = [summed[0], ("x-amz-checksum-crc32", crc32(b"x")), ("x-amz-acl", "public-read")]
        refused(self.ask("PUT", f"/{path}?acl", wrong), 400, "BadDigest")
        self.stage.unseen(self.bucket, path)
        self.done("PUT", f"/{path}?acl", [*summed, ("x-amz-acl", "public-read")])
        self.stage.seen(self.bucket, path, samples.of_size(1))

    def batch_delete(self):
        keys = ["cache/0.jpg", "cache/1.jpg", "never was"]
        named = "".join(f"<Object><Key>{key}</Key></Object>" for key in keys)
        document = f'<Delete xmlns="{NAMESPACE}">{named}<Quiet>true</Quiet></Delete>'
        wrong = [("x-amz-checksum-crc32", crc32(b"other"))]
        refused(self.ask("POST", "?delete", wrong, document.encode()), 400, "BadDigest")
        self.get("/cache/1.jpg", samples.of_size(1), crc32(samples.of_size(1)))
        answer = self.post("?delete", document)
        assert b"<Error>" not in answer.body and b"<Deleted>" not in answer.body, f"{answer.body}"
        for key in keys[:2]:
            self.is_missing(f"/{key}")


def body(run, place):
    for way, url in (("http", place.plain), ("TLS", place.tls)):
        test = Ruby(place, url, f"ruby-new-{way.lower()}", AGENT)
        for check in (
            test.bucket_exists, test.uploads, test.wrong_trailers, test.upload_by_parts, test.permissions,
            test.batch_delete,
        ):  # fmt: skip
            run.run(f"Ruby's newer framing over {way}: {check.__name__.replace('_', ' ')}", check)


if __name__ == "__main__":
    stage.main("like-ruby", body)
