"""Bad input: a store that cannot be opened is refused with a sentence that says what to do; a body that ends early or
does not match leaves no object; a damaged block is an error to one client, and found by `fsck`."""

import base64
import hashlib
import pathlib
import random
import shutil
import socket
import time

from botocore.exceptions import ClientError, HTTPClientError

import checks
from first_start import refused
from server import BUCKET, Server, fsck, scratch
from small_disk import file_system, mounted_read_only
from superblock import set_format_version, set_incompatible_flag

#: A file system that cannot hold a segment.
TINY_BYTES = 64 << 20


class Store:
    """A store with a few objects, stopped; each check works on a copy of its own."""

    def __init__(self):
        self.dir = scratch("bad-input")
        self.data = self.dir / "data"
        self.objects = {f"objects/{n}": random.Random(n).randbytes(300_000 + n) for n in range(8)}

    def make(self):
        server = Server(self.data).start()
        s3 = server.boto3()
        for key, body in self.objects.items():
            s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        server.stop()

    def copy(self, name):
        copy = self.dir / name
        shutil.copytree(self.data, copy)
        return copy

    # What cannot be opened.

    def in_use(self):
        server = Server(self.data).start()
        try:
            return refused(str(server.process.pid), self.data)
        finally:
            server.stop()

    def without_store_key(self):
        copy = self.copy("no-key")
        (copy / "store.key").unlink()
        return refused("store.key is missing", copy)

    def newer_format(self):
        copy = self.copy("newer")
        set_format_version(copy, 999)
        return refused("format version 999", copy)

    def unknown_feature(self):
        copy = self.copy("feature")
        set_incompatible_flag(copy, 1 << 63)
        return refused("0x8000000000000000", copy)

    def not_a_store(self):
        folder = self.dir / "documents"
        folder.mkdir()
        (folder / "letter.txt").write_text("Dear operator\n")
        return refused("holds no store", folder)

    def read_only(self):
        copy = self.copy("read-only")
        with mounted_read_only(copy):
            return refused(copy.name, copy)

    def full_disk_at_start(self):
        with file_system(self.dir / "tiny", TINY_BYTES) as folder:
            return refused("space", folder / "data")

    # Bodies.

    def bodies(self):
        server = Server(self.data).start()
        s3 = server.boto3()
        try:
            self.body_with_other_md5(s3)
            self.body_with_other_checksum(s3)
            self.body_that_ends_early(server, s3)
        finally:
            server.stop()

    def body_with_other_md5(self, s3):
        other = base64.b64encode(hashlib.md5(b"other").digest()).decode()
        code = error_code(lambda: s3.put_object(Bucket=BUCKET, Key="bad", Body=b"body", ContentMD5=other))
        assert code == "BadDigest", code
        absent(s3, "bad")

    def body_with_other_checksum(self, s3):
        other = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
        code = error_code(lambda: s3.put_object(Bucket=BUCKET, Key="bad", Body=b"body", ChecksumSHA256=other))
        assert code == "BadDigest", code
        absent(s3, "bad")

    def body_that_ends_early(self, server, s3):
        url = s3.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "bad"}, ExpiresIn=300)
        host, port = server.endpoint.removeprefix("http://").split(":")
        target = url.removeprefix(server.endpoint)
        with socket.create_connection((host, int(port))) as connection:
            head = f"PUT {target} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 200000\r\n\r\n"
            connection.sendall(head.encode() + bytes(150_000))
        time.sleep(0.5)
        absent(s3, "bad")

    # Damage.

    def damaged_block(self):
        copy = self.copy("damaged")
        key, body = "objects/3", self.objects["objects/3"]
        flip_a_byte_of(copy, body)
        code, report = fsck(copy)
        assert code == 1, f"fsck ended with {code}"
        named = [found for found in report["findings"] if found["place"].endswith(f" key {key}")]
        assert named, f"fsck does not name {key}: {report['findings']}"
        places = [found["place"] for found in report["findings"] if ".seg at byte" in found["place"]]
        assert places, f"fsck does not say where the damage lies: {report['findings']}"
        self.served_beside_damage(copy, key)
        return f"fsck names {places[0]} and {named[0]['place']}"

    def served_beside_damage(self, copy, damaged):
        server = Server(copy).start()
        s3 = server.boto3()
        try:
            for key, body in self.objects.items():
                if key == damaged:
                    assert not reads_whole(s3, key), "a damaged object was served"
                else:
                    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == body, key
            assert server.metrics()["moraine_damaged_reads_total"] >= 1
            assert ".seg at byte" in server.log_path.read_text(), "the log does not say where the damage lies"
        finally:
            server.stop()


def error_code(request):
    try:
        request()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "none"


def absent(s3, key):
    code = error_code(lambda: s3.head_object(Bucket=BUCKET, Key=key))
    assert code == "404", f"{key} is there ({code})"


def reads_whole(s3, key):
    try:
        s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    except (ClientError, HTTPClientError):
        return False
    return True


def flip_a_byte_of(data, body):
    """Flips a bit in the middle of where a payload lies in the log."""
    for path in pathlib.Path(data).glob("log/*/*.seg"):
        content = bytearray(path.read_bytes())
        at = content.find(body[:4096])
        if at >= 0:
            content[at + len(body) // 2] ^= 0x10
            path.write_bytes(content)
            return
    raise AssertionError("the payload is not in the log")


def main():
    run = checks.Checks()
    store = Store()
    run.run("a store to begin with", store.make)
    run.run("a second process", store.in_use)
    run.run("a missing store.key", store.without_store_key)
    run.run("a newer format", store.newer_format)
    run.run("an unknown feature", store.unknown_feature)
    run.run("a folder that is no store", store.not_a_store)
    run.run("a read-only disk", store.read_only)
    run.run("a full disk at start", store.full_disk_at_start)
    run.run("bodies that do not match or end early", store.bodies)
    run.run("a damaged block", store.damaged_block)
    run.close()


if __name__ == "__main__":
    main()
