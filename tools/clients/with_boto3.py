"""boto3, over plain http and over the TLS front: every call that media software and clean-up scripts make with it, and
Pleroma's way of sending everything by parts. What is not supported must be refused by name."""

import concurrent.futures
import datetime
import io
import os
import urllib.parse

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

import refusals
import samples
import stage
from samples import MIB

IMMUTABLE = "public, max-age=315576000, immutable"


def code_of(call, **arguments):
    """The code and status with which a call is refused; a success is a failure."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    raise AssertionError("it was not refused")


def write_all(descriptor, data):
    with os.fdopen(descriptor, "wb") as pipe:
        pipe.write(data)


class Boto3:
    """One way to the server: `url` over http or https, with a bucket of its own."""

    def __init__(self, place, url, bucket):
        self.stage, self.url, self.bucket = place, url, bucket
        self.s3 = place.boto3(url)
        self.on = {"Bucket": bucket}

    def body(self, key, **more):
        return self.s3.get_object(Key=key, **self.on, **more)["Body"].read()

    # Buckets.

    def buckets(self):
        self.s3.create_bucket(**self.on)
        self.s3.head_bucket(**self.on)
        assert self.bucket in [item["Name"] for item in self.s3.list_buckets()["Buckets"]]
        assert self.s3.get_bucket_location(**self.on)["LocationConstraint"] is None
        assert "Status" not in self.s3.get_bucket_versioning(**self.on)
        self.s3.create_bucket(Bucket=f"{self.bucket}-2")
        self.s3.put_object(Bucket=f"{self.bucket}-2", Key="a", Body=b"a")
        assert code_of(self.s3.delete_bucket, Bucket=f"{self.bucket}-2") == ("BucketNotEmpty", 409)
        self.s3.delete_object(Bucket=f"{self.bucket}-2", Key="a")
        self.s3.delete_bucket(Bucket=f"{self.bucket}-2")
        assert code_of(self.s3.head_bucket, Bucket=f"{self.bucket}-2") == ("404", 404)
        assert code_of(self.s3.list_objects_v2, Bucket=f"{self.bucket}-2") == ("NoSuchBucket", 404)

    # Objects.

    def sizes(self):
        for size in samples.SIZES:
            data = samples.of_size(size)
            etag = self.s3.put_object(Key=f"sizes/{size}", Body=data, **self.on)["ETag"]
            assert etag == f'"{samples.md5(data)}"', f"{size} bytes: {etag}"
            head = self.s3.head_object(Key=f"sizes/{size}", **self.on)
            assert (head["ContentLength"], head["ETag"]) == (size, etag)
            assert self.body(f"sizes/{size}") == data, f"{size} bytes came back differently"
        assert "ContentEncoding" not in head, f"stored {head['ContentEncoding']}"
        return f"{samples.SIZES} bytes"

    def keys(self):
        for number, key in enumerate(samples.HARD_KEYS):
            data = f"{number} {key}".encode()
            self.s3.put_object(Key=key, Body=data, **self.on)
            assert self.body(key) == data, f"{key!r} came back differently"
            assert self.s3.head_object(Key=key, **self.on)["ContentLength"] == len(data)
        found = [item["Key"] for item in self.s3.list_objects_v2(**self.on)["Contents"] if "sizes/" not in item["Key"]]
        assert found == sorted(samples.HARD_KEYS, key=str.encode), "the listing has other keys, or another order"
        for key in samples.HARD_KEYS:
            listed = self.s3.list_objects_v2(Prefix=key, **self.on)["Contents"]
            assert [item["Key"] for item in listed] == [key]
        gone = {"Objects": [{"Key": key} for key in samples.HARD_KEYS]}
        deleted = self.s3.delete_objects(Delete=gone, **self.on)["Deleted"]
        assert {item["Key"] for item in deleted} == set(samples.HARD_KEYS)
        assert self.s3.list_objects_v2(Prefix="quote", **self.on)["KeyCount"] == 0
        return f"{len(samples.HARD_KEYS)} keys"

    def headers(self):
        data = samples.of_kind(".jpg").read_bytes()
        sent = {
            "ContentType": "image/jpeg",
            "CacheControl": IMMUTABLE,
            "ContentDisposition": "inline; filename=\"a b.jpg\"; filename*=UTF-8''%C3%A9.jpg",
            "ContentEncoding": "identity",
            "ContentLanguage": "de",
            "Metadata": {"origin": "remote", "blur-hash": "LEHV6nWB2yk8pyo0adR*.7kCMdnj"},
        }
        self.s3.put_object(Key="headers.jpg", Body=data, ACL="public-read", StorageClass="STANDARD", **sent, **self.on)
        for answer in (self.s3.head_object(Key="headers.jpg", **self.on), self.s3.get_object(Key="headers.jpg", **self.on)):
            found = {name: answer.get(name) for name in sent}
            assert found == sent, f"{found}"
            assert "VersionId" not in answer
        self.stage.seen(
            self.bucket, "headers.jpg", data,
            content_type="image/jpeg", cache_control=IMMUTABLE, content_disposition=sent["ContentDisposition"],
        )  # fmt: skip

    def missing(self):
        assert code_of(self.s3.get_object, Key="nothing", **self.on) == ("NoSuchKey", 404)
        assert code_of(self.s3.head_object, Key="nothing", **self.on) == ("404", 404)
        answer = self.s3.delete_object(Key="nothing", **self.on)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        assert code_of(self.s3.put_object_acl, Key="nothing", ACL="private", **self.on) == ("NoSuchKey", 404)

    def ranges(self):
        key = f"sizes/{samples.SIZES[-1]}"
        data = samples.of_size(samples.SIZES[-1])
        size = len(data)
        wanted = {
            "bytes=0-0": (0, 1),
            "bytes=5242880-6000000": (5242880, 6000001),
            f"bytes={size - 5}-": (size - 5, size),
            "bytes=-7": (size - 7, size),
            f"bytes=1048570-{size * 2}": (1048570, size),
        }
        for text, (first, end) in wanted.items():
            answer = self.s3.get_object(Key=key, Range=text, **self.on)
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
            assert answer["ContentRange"] == f"bytes {first}-{end - 1}/{size}", answer["ContentRange"]
            assert answer["Body"].read() == data[first:end], text
        assert code_of(self.s3.get_object, Key=key, Range=f"bytes={size}-", **self.on) == ("InvalidRange", 416)

    def conditions(self):
        key = "sizes/1"
        head = self.s3.head_object(Key=key, **self.on)
        get, etag, later = self.s3.get_object, head["ETag"], datetime.timedelta(days=1)
        assert get(Key=key, IfMatch=etag, **self.on)["ETag"] == etag
        assert code_of(get, Key=key, IfMatch='"other"', **self.on) == ("PreconditionFailed", 412)
        assert code_of(get, Key=key, IfNoneMatch=etag, **self.on) == ("304", 304)
        assert code_of(get, Key=key, IfModifiedSince=head["LastModified"], **self.on) == ("304", 304)
        before = head["LastModified"] - later
        assert code_of(get, Key=key, IfUnmodifiedSince=before, **self.on) == ("PreconditionFailed", 412)
        put = {"Key": key, "Body": b"second", **self.on}
        assert code_of(self.s3.put_object, IfNoneMatch="*", **put) == ("PreconditionFailed", 412)
        assert code_of(self.s3.put_object, IfMatch='"other"', **put) == ("PreconditionFailed", 412)
        assert self.body(key) == samples.of_size(1)
        self.s3.put_object(IfMatch=etag, **put)
        assert self.body(key) == b"second"
        self.s3.put_object(Key="conditional", Body=b"first", IfNoneMatch="*", **self.on)

    def checksums(self):
        data = samples.of_kind(".png").read_bytes()
        for algorithm in ("CRC32", "SHA1", "SHA256"):
            key = f"checksums/{algorithm}"
            stored = self.s3.put_object(Key=key, Body=data, ChecksumAlgorithm=algorithm, **self.on)
            answer = self.s3.get_object(Key=key, ChecksumMode="ENABLED", **self.on)
            name = f"Checksum{algorithm}"
            assert stored[name] == answer[name], f"{stored.get(name)}, {answer.get(name)}"
            assert answer["Body"].read() == data
            self.s3.upload_file(
                str(samples.pictures()[-1]), self.bucket, f"{key}-parts", ExtraArgs={"ChecksumAlgorithm": algorithm}
            )
            assert self.body(f"{key}-parts") == samples.pictures()[-1].read_bytes()
        wrong = {"Key": "wrong", "Body": data, **self.on}
        assert code_of(self.s3.put_object, ChecksumCRC32="AAAAAA==", **wrong) == ("BadDigest", 400)
        assert code_of(self.s3.put_object, ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==", **wrong) == ("BadDigest", 400)
        assert code_of(self.s3.head_object, Key="wrong", **self.on) == ("404", 404)

    # By parts.

    def parts(self):
        """The managed upload, from a file and from a pipe, and the managed download in ranges."""
        path = samples.pictures()[-1]
        data = path.read_bytes()
        extra = {"ContentType": "image/png", "ACL": "public-read", "Metadata": {"a": "b"}}
        self.s3.upload_file(str(path), self.bucket, "parts/file.png", ExtraArgs=extra)
        head = self.s3.head_object(Key="parts/file.png", **self.on)
        assert head["ETag"] == f'"{samples.multipart_etag(data, 8 * MIB)}"', head["ETag"]
        assert head["Metadata"] == {"a": "b"} and head["ContentType"] == "image/png"
        out = self.stage.home / "out.png"
        self.s3.download_file(self.bucket, "parts/file.png", str(out))
        assert out.read_bytes() == data
        self.stage.seen(self.bucket, "parts/file.png", data, content_type="image/png")
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as pipe, concurrent.futures.ThreadPoolExecutor(1) as pool:
            pool.submit(write_all, writing, data)
            self.s3.upload_fileobj(pipe, self.bucket, "parts/pipe.png")
        assert self.body("parts/pipe.png") == data

    def part_numbers(self):
        data = samples.pictures()[-1].read_bytes()
        count = -(-len(data) // (8 * MIB))
        for number in range(1, count + 1):
            answer = self.s3.get_object(Key="parts/file.png", PartNumber=number, **self.on)
            assert answer["PartsCount"] == count and answer["ResponseMetadata"]["HTTPStatusCode"] == 206
            assert answer["Body"].read() == data[(number - 1) * 8 * MIB : number * 8 * MIB]

    def upload_by_hand(self):
        """Parts out of order, one of them twice; listed meanwhile; then completed, and another upload given up."""
        data = samples.of_size(11 * MIB)
        pieces = {1: data[: 5 * MIB], 2: data[5 * MIB : 10 * MIB], 3: data[10 * MIB :]}
        at = {"Key": "parts/by hand +%", **self.on}
        upload = self.s3.create_multipart_upload(ContentType="video/mp4", **at)["UploadId"]
        etags = {}
        self.s3.upload_part(PartNumber=2, UploadId=upload, Body=b"replaced below", **at)
        for number in (3, 2, 1):
            etags[number] = self.s3.upload_part(PartNumber=number, UploadId=upload, Body=pieces[number], **at)["ETag"]
        listed = self.s3.list_parts(UploadId=upload, **at)["Parts"]
        assert [(item["PartNumber"], item["Size"], item["ETag"]) for item in listed] == [
            (number, len(pieces[number]), etags[number]) for number in (1, 2, 3)
        ]
        uploads = self.s3.list_multipart_uploads(**self.on)["Uploads"]
        assert [(item["Key"], item["UploadId"]) for item in uploads] == [(at["Key"], upload)]
        named = {"Parts": [{"PartNumber": number, "ETag": etags[number]} for number in (1, 2, 3)]}
        done = self.s3.complete_multipart_upload(UploadId=upload, MultipartUpload=named, **at)
        assert done["Bucket"] == self.bucket and done["Key"] == at["Key"], f"{done}"
        # Behind the front the server learns from it alone that the client speaks TLS.
        assert done["Location"].startswith(f"{self.url}/"), f"{done['Location']} is not under {self.url}"
        assert done["ETag"] == f'"{samples.multipart_etag(data, 5 * MIB)}"', done["ETag"]
        assert self.body(at["Key"]) == data
        given_up = self.s3.create_multipart_upload(**at)["UploadId"]
        self.s3.upload_part(PartNumber=1, UploadId=given_up, Body=b"x", **at)
        self.s3.abort_multipart_upload(UploadId=given_up, **at)
        assert code_of(self.s3.list_parts, UploadId=given_up, **at) == ("NoSuchUpload", 404)
        assert not self.s3.list_multipart_uploads(**self.on).get("Uploads")

    def refused_parts(self):
        at = {"Key": "parts/refused", **self.on}
        upload = self.s3.create_multipart_upload(**at)["UploadId"]
        first = self.s3.upload_part(PartNumber=1, UploadId=upload, Body=b"small", **at)["ETag"]
        second = self.s3.upload_part(PartNumber=2, UploadId=upload, Body=b"small too", **at)["ETag"]
        cases = {
            "EntityTooSmall": [(1, first), (2, second)],
            "InvalidPart": [(1, '"00000000000000000000000000000000"')],
            "InvalidPartOrder": [(2, second), (1, first)],
        }
        for code, parts in cases.items():
            named = {"Parts": [{"PartNumber": number, "ETag": etag} for number, etag in parts]}
            found = code_of(self.s3.complete_multipart_upload, UploadId=upload, MultipartUpload=named, **at)
            assert found == (code, 400), f"{found}, not {code}"
        self.s3.abort_multipart_upload(UploadId=upload, **at)

    def pleroma(self):
        """Pleroma and Akkoma with streaming: always by parts, for an empty file too, and DELETE must answer 204."""
        for size in (0, 1, 5 * MIB, 5 * MIB + 1):
            data, key = samples.of_size(size), f"ab/{size}!.(x)'_-.jpg"
            at = {"Key": key, **self.on}
            upload = self.s3.create_multipart_upload(ACL="public-read", ContentType="image/jpeg", **at)["UploadId"]
            pieces = [data[start : start + 5 * MIB] for start in range(0, max(size, 1), 5 * MIB)]
            named = []
            for number, piece in enumerate(pieces, 1):
                etag = self.s3.upload_part(PartNumber=number, UploadId=upload, Body=piece, **at)["ETag"]
                named.append({"PartNumber": number, "ETag": etag})
            self.s3.complete_multipart_upload(UploadId=upload, MultipartUpload={"Parts": named}, **at)
            assert self.body(key) == data
            self.stage.seen(self.bucket, key, data, content_type="image/jpeg")
            assert self.s3.delete_object(**at)["ResponseMetadata"]["HTTPStatusCode"] == 204

    # Copies.

    def copies(self):
        data = samples.of_kind(".webp").read_bytes()
        source = {"Bucket": self.bucket, "Key": "copy/fröm +%20 here?.webp"}
        self.s3.put_object(Body=data, ContentType="image/webp", Metadata={"a": "1"}, ACL="public-read", **source)
        self.s3.copy_object(Key="copy/kept", CopySource=source, **self.on)
        kept = self.s3.head_object(Key="copy/kept", **self.on)
        assert kept["ContentType"] == "image/webp" and kept["Metadata"] == {"a": "1"}
        self.stage.unseen(self.bucket, "copy/kept")
        changed = {"MetadataDirective": "REPLACE", "ContentType": "image/x", "Metadata": {"b": "2"}, "ACL": "public-read"}
        self.s3.copy_object(Key="copy/changed", CopySource=source, **changed, **self.on)
        found = self.s3.head_object(Key="copy/changed", **self.on)
        assert found["ContentType"] == "image/x" and found["Metadata"] == {"b": "2"}
        self.stage.seen(self.bucket, "copy/changed", data, content_type="image/x")
        onto_itself = {"Key": source["Key"], "CopySource": source, **self.on}
        assert code_of(self.s3.copy_object, **onto_itself) == ("InvalidRequest", 400)
        self.s3.copy_object(MetadataDirective="REPLACE", ContentType="image/y", **onto_itself)
        assert self.s3.head_object(**source)["ContentType"] == "image/y"
        nowhere = {"Bucket": self.bucket, "Key": "nothing"}
        assert code_of(self.s3.copy_object, Key="copy/x", CopySource=nowhere, **self.on) == ("NoSuchKey", 404)

    def copy_by_parts(self):
        """The managed copy of something long: GetObjectTagging or HEAD first, then UploadPartCopy with ranges."""
        data = samples.pictures()[-1].read_bytes()
        config = TransferConfig(multipart_threshold=6 * MIB, multipart_chunksize=6 * MIB)
        self.s3.copy({"Bucket": self.bucket, "Key": "parts/file.png"}, self.bucket, "copy/long.png", Config=config)
        head = self.s3.head_object(Key="copy/long.png", **self.on)
        assert head["ETag"] == f'"{samples.multipart_etag(data, 6 * MIB)}"', head["ETag"]
        assert head["ContentType"] == "image/png" and self.body("copy/long.png") == data
        assert self.s3.get_object_tagging(Key="copy/long.png", **self.on)["TagSet"] == []

    # Who may read.

    def acls(self):
        data = samples.of_kind(".gif").read_bytes()
        at = {"Key": "acl/ä b.gif", **self.on}
        self.s3.put_object(Body=data, ContentType="image/gif", CacheControl="max-age=1", **at)
        self.stage.unseen(self.bucket, at["Key"])
        self.s3.put_object_acl(ACL="public-read", **at)
        self.stage.seen(self.bucket, at["Key"], data, content_type="image/gif", cache_control="max-age=1")
        granted = self.s3.get_object_acl(**at)
        assert any(
            grant["Grantee"].get("URI", "").endswith("/AllUsers") and grant["Permission"] == "READ"
            for grant in granted["Grants"]
        ), granted["Grants"]
        policy = {"Owner": granted["Owner"], "Grants": [g for g in granted["Grants"] if g["Grantee"].get("ID")]}
        self.s3.put_object_acl(AccessControlPolicy=policy, **at)
        self.stage.unseen(self.bucket, at["Key"])
        self.s3.put_object_acl(AccessControlPolicy={key: granted[key] for key in ("Owner", "Grants")}, **at)
        self.stage.seen(self.bucket, at["Key"], data, content_type="image/gif")
        self.s3.put_object_acl(ACL="private", **at)
        self.stage.unseen(self.bucket, at["Key"])
        assert self.s3.get_bucket_acl(**self.on)["Grants"]

    def strangers(self):
        self.stage.unlisted(self.bucket)
        for method in ("PUT", "DELETE", "POST"):
            answer = self.stage.anonymous(f"/{self.bucket}/headers.jpg", method)
            assert answer.status in (403, 405, 411), f"{method} answered {answer.status}"
        assert self.s3.head_object(Key="headers.jpg", **self.on)["ContentType"] == "image/jpeg"

    def links(self):
        """Presigned links, of both kinds of signature; what they do not cover is refused."""
        data = samples.of_kind(".jpg", 3).read_bytes()
        at = {"Key": "links/a +%ü.jpg", **self.on}
        self.s3.put_object(Body=data, ContentType="image/jpeg", **at)
        for version in ("s3v4", "s3"):
            s3 = self.stage.boto3(self.url, signature_version=version)
            override = {"ResponseContentDisposition": 'attachment; filename="x y.jpg"', "ResponseContentType": "a/b"}
            url = s3.generate_presigned_url("get_object", Params={**at, **override}, ExpiresIn=600)
            answer = self.stage.fetch(url)
            assert answer.status == 200 and answer.body == data, f"{version}: {answer.status} {answer.body[:300]}"
            assert answer.headers["content-disposition"] == override["ResponseContentDisposition"]
            assert answer.headers["content-type"] == "a/b"
            parted = self.stage.fetch(url, {"Range": "bytes=2-5"})
            assert parted.status == 206 and parted.body == data[2:6]
            plain = s3.generate_presigned_url("get_object", Params=at, ExpiresIn=600)
            other = self.stage.fetch(plain.replace(urllib.parse.quote(at["Key"]), "headers.jpg"))
            assert other.status == 403, f"{version}: a link to another key answered {other.status}"
            late = s3.generate_presigned_url("get_object", Params=at, ExpiresIn=-100)
            assert self.stage.fetch(late).status in (400, 403), f"{version}: an expired link"

    def put_link(self):
        at = {"Key": "links/put.bin", **self.on}
        url = self.s3.generate_presigned_url("put_object", Params={**at, "ContentType": "a/b"}, ExpiresIn=600)
        answer = self.stage.fetch(url, {"Content-Type": "a/b"}, "PUT", b"by link")
        assert answer.status == 200, f"{answer.status} {answer.body[:300]}"
        other = self.stage.fetch(url, {"Content-Type": "c/d"}, "PUT", b"another type")
        assert other.status == 403, f"another type than was signed: {other.status}"
        assert self.body(at["Key"]) == b"by link"

    # Listings.

    def listings(self):
        keys = sorted([f"list/{folder}/{number:02d}" for folder in "abc" for number in range(7)] + ["list/z"])
        for key in keys:
            self.s3.put_object(Key=key, Body=b"x", **self.on)
        for call in ("list_objects_v2", "list_objects", "list_object_versions"):
            field = "Versions" if call == "list_object_versions" else "Contents"
            pages = list(self.s3.get_paginator(call).paginate(
                Prefix="list/", PaginationConfig={"PageSize": 5}, **self.on))  # fmt: skip
            found = [item["Key"] for page in pages for item in page.get(field, [])]
            assert found == keys and len(pages) == 5, f"{call}: {len(pages)} pages, {found}"
            pages = self.s3.get_paginator(call).paginate(
                Prefix="list/", Delimiter="/", PaginationConfig={"PageSize": 2}, **self.on
            )
            pages = list(pages)
            folders = [item["Prefix"] for page in pages for item in page.get("CommonPrefixes", [])]
            assert folders == ["list/a/", "list/b/", "list/c/"], f"{call}: {folders}"
            assert [item["Key"] for page in pages for item in page.get(field, [])] == ["list/z"]
        self.start_after(keys)

    def start_after(self, keys):
        """Mastodon's way through a bucket: by the last key, without a token."""
        found, last = [], ""
        while True:
            page = self.s3.list_objects_v2(Prefix="list/", StartAfter=last, MaxKeys=4, **self.on)
            found += [item["Key"] for item in page.get("Contents", [])]
            if not page["IsTruncated"]:
                break
            last = found[-1]
        assert found == keys

    def clean_up(self):
        """What clean-up scripts do: batches with and without `Quiet`, with the version `null`, then the bucket itself."""
        at = self.on
        quiet = {"Objects": [{"Key": "list/a/00"}, {"Key": "never was"}], "Quiet": True}
        answer = self.s3.delete_objects(Delete=quiet, **at)
        assert "Deleted" not in answer and "Errors" not in answer
        versions = {"Objects": [{"Key": "list/a/01", "VersionId": "null"}]}
        assert [item["Key"] for item in self.s3.delete_objects(Delete=versions, **at)["Deleted"]] == ["list/a/01"]
        self.s3.delete_object(Key="list/a/02", VersionId="null", **at)
        many = {"Objects": [{"Key": f"x{number}"} for number in range(1001)]}
        assert code_of(self.s3.delete_objects, Delete=many, **at)[1] == 400
        assert self.s3.list_objects_v2(Prefix="list/a/", **at)["KeyCount"] == 4
        for page in self.s3.get_paginator("list_object_versions").paginate(**at):
            gone = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in page["Versions"]]
            assert not self.s3.delete_objects(Delete={"Objects": gone}, **at).get("Errors")
        self.s3.delete_bucket(**at)
        assert code_of(self.s3.head_bucket, **at) == ("404", 404)

    def virtual_hosts(self):
        """The bucket in the host name, as Pixelfed has it unless told otherwise."""
        parts = urllib.parse.urlsplit(self.url)
        endpoint = f"{parts.scheme}://{stage.DOMAIN}:{parts.port}"
        with stage.resolved_here():
            s3 = self.stage.boto3(endpoint, s3={"addressing_style": "virtual"})
            for number, key in enumerate(samples.HARD_KEYS):
                s3.put_object(Key=f"{key}", Body=f"by host {number}".encode(), ACL="public-read", **self.on)
                assert self.body(key) == f"by host {number}".encode(), key
                assert s3.get_object(Key=key, **self.on)["Body"].read() == f"by host {number}".encode(), key
            at = {"Key": "with space.jpg", **self.on}
            s3.copy_object(CopySource=at, Key="copied by host", **self.on)
            assert s3.list_objects_v2(Prefix="copied", **self.on)["KeyCount"] == 1
            link = s3.generate_presigned_url("get_object", Params=at, ExpiresIn=600)
            assert f"//{self.bucket}.{stage.DOMAIN}" in link, link
            answer = self.stage.fetch(link)
            assert answer.status == 200 and answer.body == b"by host 0", f"{answer.status} {answer.body[:300]}"
            seen = self.stage.fetch(f"{parts.scheme}://{self.bucket}.{stage.DOMAIN}:{parts.port}/with%20space.jpg")
            assert seen.status == 200 and seen.body == b"by host 0", f"{seen.status} {seen.body[:300]}"
            listed = self.stage.fetch(f"{parts.scheme}://{self.bucket}.{stage.DOMAIN}:{parts.port}/?max-keys=1&x-random=f00")
            assert listed.status == 403 and b"ListBucketResult" not in listed.body, f"{listed.status}"

    def resources(self):
        """The other face of boto3, by which scripts empty buckets."""
        bucket = self.stage.boto3(self.url, "resource").Bucket(self.bucket)
        for number in range(5):
            bucket.put_object(Key=f"resource/{number}", Body=b"x")
        one = bucket.Object("resource/0")
        one.wait_until_exists()
        assert one.get()["Body"].read() == b"x" and one.content_length == 1
        assert [item.key for item in bucket.objects.filter(Prefix="resource/")] == [f"resource/{n}" for n in range(5)]
        bucket.objects.filter(Prefix="resource/0").delete()
        bucket.object_versions.filter(Prefix="resource/").delete()
        assert not list(bucket.objects.filter(Prefix="resource/"))

    def refusals(self):
        """What is not supported answers `NotImplemented`, and changes nothing."""
        before = self.s3.list_objects_v2(**self.on)["KeyCount"]
        for name, arguments in refusals.calls(self.bucket, "sizes/1"):
            try:
                getattr(self.s3, name)(**arguments)
            except ClientError as error:
                code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
                assert (code, status) == ("NotImplemented", 501), f"{name}({arguments}): {code} {status}"
            else:
                raise AssertionError(f"{name}({arguments}) was not refused")
        assert self.s3.list_objects_v2(**self.on)["KeyCount"] == before
        return f"{len(refusals.calls('b', 'k'))} calls"

    def file_object(self):
        """An in-memory file above the threshold, without threads, as small scripts do it."""
        data = samples.of_size(9 * MIB)
        config = TransferConfig(use_threads=False)
        self.s3.upload_fileobj(io.BytesIO(data), self.bucket, "parts/memory", Config=config)
        out = io.BytesIO()
        self.s3.download_fileobj(self.bucket, "parts/memory", out)
        assert out.getvalue() == data


def body(run, place):
    for way, url in (("http", place.plain), ("TLS", place.tls)):
        test = Boto3(place, url, f"boto3-{way.lower()}")
        run.run(f"boto3 over {way}: buckets", test.buckets)
        for check in (
            test.sizes, test.keys, test.headers, test.missing, test.ranges, test.checksums, test.parts,
            test.part_numbers, test.upload_by_hand, test.refused_parts, test.pleroma, test.file_object, test.copies,
            test.copy_by_parts, test.acls, test.links, test.put_link, test.conditions, test.listings, test.strangers,
            test.virtual_hosts, test.resources, test.refusals, test.clean_up,
        ):  # fmt: skip
            run.run(f"boto3 over {way}: {check.__name__.replace('_', ' ')}", check)


if __name__ == "__main__":
    stage.main("boto3", body)
