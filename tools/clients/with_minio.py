"""minio-py, every call for objects; and GoToSocial's way of using the Go sibling of it: HEAD of the bucket and its location
at the start, `stat` before `remove`, listings by 200. Over http its bodies are covered by the signature, over TLS by an MD5."""

import datetime
import io
import ssl

import minio
import urllib3
from minio.commonconfig import REPLACE, ComposeSource, CopySource
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

import samples
import stage
from samples import MIB

HOUR = datetime.timedelta(hours=1)


def refused(call, *arguments, **named):
    """The code with which a call is refused."""
    try:
        result = call(*arguments, **named)
        if hasattr(result, "__next__"):
            list(result)
    except S3Error as error:
        return error.code
    raise AssertionError("it was not refused")


class Minio:
    def __init__(self, place, url, bucket):
        self.stage, self.url, self.bucket = place, url, bucket
        scheme, host = url.split("://")
        pool = None
        if scheme == "https":
            pool = urllib3.PoolManager(ssl_context=ssl.create_default_context(cafile=str(place.front.certificate)))
        self.client = minio.Minio(
            endpoint=host, access_key=place.key[0], secret_key=place.key[1], secure=scheme == "https", http_client=pool
        )

    def read(self, key, **more):
        answer = self.client.get_object(bucket_name=self.bucket, object_name=key, **more)
        try:
            return answer.read()
        finally:
            answer.close()
            answer.release_conn()

    def put(self, key, data, **more):
        return self.client.put_object(
            bucket_name=self.bucket, object_name=key, data=io.BytesIO(data), length=len(data), **more
        )

    def names(self, **more):
        return [item.object_name for item in self.client.list_objects(bucket_name=self.bucket, recursive=True, **more)]

    def buckets(self):
        assert not self.client.bucket_exists(bucket_name=self.bucket)
        self.client.make_bucket(bucket_name=self.bucket)
        assert self.client.bucket_exists(bucket_name=self.bucket)
        assert self.bucket in [bucket.name for bucket in self.client.list_buckets()]
        assert self.client.get_bucket_versioning(bucket_name=self.bucket).status in (None, "Off", "")

    def gotosocial(self):
        """Without a region the client asks for it: `GET /BUCKET?location=`. Then a probe of nothing goes in and out."""
        client = self.client
        client._region_map.clear()
        assert client.bucket_exists(bucket_name=self.bucket)
        self.put("gotosocial-csp-probe", b"", content_type="image/png")
        assert client.stat_object(bucket_name=self.bucket, object_name="gotosocial-csp-probe").size == 0
        client.remove_object(bucket_name=self.bucket, object_name="gotosocial-csp-probe")
        code = refused(client.stat_object, bucket_name=self.bucket, object_name="gotosocial-csp-probe")
        assert code == "NoSuchKey", code
        url = client.presigned_get_object(
            bucket_name=self.bucket, object_name="sizes/1", expires=24 * HOUR,
            response_headers={"response-content-type": "image/webp"},
        )  # fmt: skip
        answer = self.stage.fetch(url)
        assert answer.status == 200 and answer.headers["content-type"] == "image/webp", f"{answer.status}"

    def sizes(self):
        for size in samples.SIZES:
            data = samples.of_size(size)
            result = self.put(f"sizes/{size}", data, metadata={"Origin": "remote"}, content_type="video/mp4")
            parts = samples.multipart_etag(data, 5 * MIB) if size > 5 * MIB else samples.md5(data)
            assert result.etag.strip('"') == parts, f"{size}: {result.etag}"
            stat = self.client.stat_object(bucket_name=self.bucket, object_name=f"sizes/{size}")
            assert stat.size == size and stat.content_type == "video/mp4" and stat.etag == parts
            assert stat.metadata["x-amz-meta-origin"] == "remote"
            assert self.read(f"sizes/{size}") == data, f"{size} bytes came back differently"
        assert self.read("sizes/5242881", offset=5242870, length=7) == samples.of_size(5242881)[5242870:5242877]

    def unknown_length(self):
        data = samples.of_size(12 * MIB + 7)
        self.client.put_object(
            bucket_name=self.bucket, object_name="streamed", data=io.BytesIO(data), length=-1, part_size=5 * MIB
        )
        assert self.read("streamed") == data

    def files(self):
        path = samples.pictures()[-1]
        out = self.stage.home / "fget.png"
        for key in ("file.png", "with space +%20 ü.png"):
            self.client.fput_object(bucket_name=self.bucket, object_name=key, file_path=str(path), content_type="image/png")
            self.client.fget_object(bucket_name=self.bucket, object_name=key, file_path=str(out))
            assert out.read_bytes() == path.read_bytes()
            out.unlink()

    def keys(self):
        for key in samples.HARD_NAMES:
            self.put(f"keys/{key}", key.encode())
            assert self.read(f"keys/{key}") == key.encode(), key
        wanted = sorted((f"keys/{key}" for key in samples.HARD_NAMES), key=str.encode)
        assert self.names(prefix="keys/") == wanted
        assert self.names(prefix="keys/", use_api_v1=True) == wanted
        assert self.names(prefix="keys/", include_version=True) == wanted
        assert self.names(prefix="keys/", start_after=wanted[4]) == wanted[5:]
        folders = [item.object_name for item in self.client.list_objects(bucket_name=self.bucket, prefix="keys/") if item.is_dir]
        assert folders == sorted({f"keys/{key.split('/')[0]}/" for key in samples.HARD_NAMES if "/" in key}, key=str.encode)
        return f"{len(wanted)} keys"

    def copies(self):
        source = CopySource(bucket_name=self.bucket, object_name="with space +%20 ü.png")
        data = samples.pictures()[-1].read_bytes()
        self.client.copy_object(bucket_name=self.bucket, object_name="copy", source=source)
        assert self.read("copy") == data
        self.client.copy_object(
            bucket_name=self.bucket, object_name="copy", source=source, metadata={"a": "b"}, metadata_directive=REPLACE
        )
        stat = self.client.stat_object(bucket_name=self.bucket, object_name="copy")
        assert stat.metadata["x-amz-meta-a"] == "b"

    def compose(self):
        """Several objects become one by UploadPartCopy, without a byte through the client."""
        first, second = samples.of_size(5 * MIB), samples.of_size(1)
        sources = [
            ComposeSource(bucket_name=self.bucket, object_name=f"sizes/{size}") for size in (5 * MIB, 5 * MIB + 1, 1)
        ]
        self.client.compose_object(bucket_name=self.bucket, object_name="composed", sources=sources)
        assert self.read("composed") == first + samples.of_size(5 * MIB + 1) + second
        part = ComposeSource(bucket_name=self.bucket, object_name=f"sizes/{5 * MIB}", offset=100, length=1000)
        self.client.compose_object(bucket_name=self.bucket, object_name="piece", sources=[part])
        assert self.read("piece") == first[100:1100]

    def links(self):
        client, data = self.client, samples.of_size(5 * MIB - 1)
        at = {"bucket_name": self.bucket, "object_name": "link +ü.bin"}
        url = client.presigned_put_object(**at, expires=HOUR)
        answer = self.stage.fetch(url, method="PUT", data=data)
        assert answer.status == 200, f"{answer.status} {answer.body[:300]}"
        answer = self.stage.fetch(client.presigned_get_object(**at, expires=HOUR))
        assert answer.status == 200 and answer.body == data
        answer = self.stage.fetch(client.get_presigned_url(method="DELETE", **at, expires=HOUR), method="DELETE")
        assert answer.status == 204, f"{answer.status}"

    def public(self):
        """By the ACL as a header, as GoToSocial's settings for a public bucket have it."""
        data = samples.of_kind(".jpg", 5).read_bytes()
        self.put("public.jpg", data, content_type="image/jpeg", metadata={"x-amz-acl": "public-read"})
        self.stage.seen(self.bucket, "public.jpg", data, content_type="image/jpeg")
        self.stage.unlisted(self.bucket)

    def tags(self):
        assert self.client.get_object_tags(bucket_name=self.bucket, object_name="public.jpg") is None

    def refusals(self):
        from minio.commonconfig import ENABLED
        from minio.versioningconfig import VersioningConfig

        client, at = self.client, {"bucket_name": self.bucket}
        codes = {
            "versioning": refused(client.set_bucket_versioning, **at, config=VersioningConfig(ENABLED)),
            "policy": refused(client.set_bucket_policy, **at, policy="{}"),
            "lifecycle": refused(client.delete_bucket_lifecycle, **at),
            "tags": refused(client.delete_object_tags, **at, object_name="public.jpg"),
        }
        assert set(codes.values()) == {"NotImplemented"}, codes

    def removal(self):
        """Stat before remove, then batches; what is missing is no error."""
        self.client.stat_object(bucket_name=self.bucket, object_name="copy")
        self.client.remove_object(bucket_name=self.bucket, object_name="copy")
        self.client.remove_object(bucket_name=self.bucket, object_name="copy")
        # minio-py writes an emoji in a key as a character reference.
        names = [*self.names(), "never was", "never \N{GRINNING FACE}"]
        errors = list(self.client.remove_objects(bucket_name=self.bucket, delete_object_list=map(DeleteObject, names)))
        assert not errors, errors[:3]
        assert self.names() == []
        self.client.remove_bucket(bucket_name=self.bucket)
        assert not self.client.bucket_exists(bucket_name=self.bucket)


def body(run, place):
    for way, url in (("http", place.plain), ("TLS", place.tls)):
        test = Minio(place, url, f"minio-{way.lower()}")
        for check in (
            test.buckets, test.sizes, test.gotosocial, test.unknown_length, test.files, test.keys, test.copies, test.compose,
            test.links, test.public, test.tags, test.refusals, test.removal,
        ):  # fmt: skip
            run.run(f"minio-py over {way}: {check.__name__.replace('_', ' ')}", check)


if __name__ == "__main__":
    stage.main("minio", body)
