"""The corpus goes in through awscli and boto3 and comes back byte for byte: at once, after a restart, after `index/`
was deleted; a second and third copy of it cost next to nothing; strangers see what is public and nothing else; the
Python reader and `fsck` agree with the server about the files."""

import concurrent.futures
import hashlib
import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

from boto3.s3.transfer import TransferConfig

import checks
import corpus
from server import BUCKET, READER, Server, fsck, moraine, scratch

#: Of the corpus' bytes, what a copy of it may add to the log.
DEDUP_SHARE_MAX = 0.015
THREADS = 4
CONTENT_TYPES = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
}


def key_of(path):
    """A key like those of media servers: deep, and without order."""
    digest = hashlib.sha256(path.name.encode()).hexdigest()
    return f"media_attachments/files/{digest[:3]}/{digest[3:6]}/original/{path.name}"


def in_threads(work, items):
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, items))


class Roundtrip:
    """The state that the checks hand on: the server, the corpus and what is expected where."""

    def __init__(self):
        self.dir = scratch("roundtrip")
        self.server = Server(self.dir / "data")
        self.paths = corpus.ensure()
        self.digests = corpus.digests(self.paths)
        self.bytes = sum(path.stat().st_size for path in self.paths)
        self.expected = {BUCKET: {}}

    def start(self):
        self.server.start()
        self.s3 = self.server.boto3()
        return f"ready after {self.server.start_seconds:.2f} s"

    def restart(self):
        self.server.stop()
        return self.start()

    def expect(self, bucket, prefix, paths):
        for path in paths:
            self.expected[bucket][prefix + key_of(path)] = path

    # In.

    def sync_in(self, bucket, prefix, paths):
        """`aws s3 sync` of a folder tree."""
        tree = self.dir / "tree"
        shutil.rmtree(tree, ignore_errors=True)
        for path in paths:
            target = tree / key_of(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, target)
        self.server.aws("s3", "sync", "--only-show-errors", tree, f"s3://{bucket}/{prefix}")
        shutil.rmtree(tree)
        self.expect(bucket, prefix, paths)

    def boto3_in(self, bucket, prefix, paths, part_mib):
        config = TransferConfig(
            multipart_threshold=part_mib << 20, multipart_chunksize=part_mib << 20, use_threads=False
        )

        def put(path):
            extra = {"ContentType": CONTENT_TYPES[path.suffix], "Metadata": {"origin": path.name}}
            self.s3.upload_file(str(path), bucket, prefix + key_of(path), ExtraArgs=extra, Config=config)

        in_threads(put, paths)
        self.expect(bucket, prefix, paths)

    # Out.

    def sync_out(self, bucket):
        """`aws s3 sync` the other way, compared file by file."""
        tree = self.dir / "back"
        shutil.rmtree(tree, ignore_errors=True)
        self.server.aws("s3", "sync", "--only-show-errors", f"s3://{bucket}/", tree)
        back = {str(path.relative_to(tree)): path for path in tree.rglob("*") if path.is_file()}
        assert set(back) == set(self.expected[bucket]), "the synced names are not those that went in"
        for key, path in back.items():
            found = hashlib.sha256(path.read_bytes()).hexdigest()
            assert found == self.digests[self.expected[bucket][key].name], f"{key} differs"
        shutil.rmtree(tree)
        return f"{len(back)} objects"

    def boto3_out(self):
        """Every object of every bucket by GET, compared with what went in; and the listing names just these."""
        count = 0
        for bucket, expected in self.expected.items():
            assert set(self.listed(bucket)) == set(expected), f"the listing of {bucket} differs"

            def get(item, bucket=bucket):
                key, path = item
                answer = self.s3.get_object(Bucket=bucket, Key=key)
                digest = hashlib.sha256()
                for chunk in answer["Body"].iter_chunks(1 << 18):
                    digest.update(chunk)
                assert digest.hexdigest() == self.digests[path.name], f"{bucket}/{key} differs"

            in_threads(get, expected.items())
            count += len(expected)
        return f"{count} objects"

    def listed(self, bucket, **options):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, **options)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    # The checks.

    def both_in(self):
        half = len(self.paths) // 2
        self.sync_in(BUCKET, "", self.paths[:half])
        self.boto3_in(BUCKET, "", self.paths[half:], part_mib=5)
        return f"{len(self.paths)} files, {checks.mib(self.bytes)}"

    def listing(self):
        expected = sorted(self.expected[BUCKET])
        by_hundred = self.listed(BUCKET, PaginationConfig={"PageSize": 100})
        assert by_hundred == expected, "pages of 100 are not the sorted names"
        prefix = "media_attachments/files/"
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix, Delimiter="/")
        folders = [item["Prefix"] for page in pages for item in page.get("CommonPrefixes", [])]
        wanted = sorted({"/".join(key.split("/")[:3]) + "/" for key in expected})
        assert folders == wanted, "the folders are not those of the names"
        return f"{len(expected)} names, {len(folders)} folders"

    def attributes(self):
        path = self.paths[-1]
        head = self.s3.head_object(Bucket=BUCKET, Key=key_of(path))
        assert head["ContentLength"] == path.stat().st_size
        assert head["ContentType"] == CONTENT_TYPES[path.suffix], head["ContentType"]
        assert head["Metadata"] == {"origin": path.name}, head["Metadata"]
        small = next(path for path in reversed(self.paths) if path.stat().st_size < 1 << 20)
        etag = self.s3.head_object(Bucket=BUCKET, Key=key_of(small))["ETag"]
        assert etag == f'"{hashlib.md5(small.read_bytes()).hexdigest()}"', etag

    def ranges(self):
        path = max(self.paths, key=lambda path: path.stat().st_size)
        data = path.read_bytes()
        wanted = [(0, 0), (0, 4095), (1 << 20, (1 << 20) + 1), (1048575, 3 << 20), (len(data) - 7, len(data) - 1)]
        for first, last in wanted:
            answer = self.s3.get_object(Bucket=BUCKET, Key=key_of(path), Range=f"bytes={first}-{last}")
            assert answer["Body"].read() == data[first : last + 1], f"bytes {first} to {last} differ"
            assert answer["ContentRange"] == f"bytes {first}-{last}/{len(data)}"
        return f"{len(wanted)} ranges of {path.name}"

    def without_index(self):
        self.server.stop()
        shutil.rmtree(self.server.data / "index")
        return self.start()

    def copies(self, what, put):
        """Runs `put`, which stores the whole corpus once more; returns what that added to the log."""
        before = self.server.log_bytes()
        put()
        added = self.server.log_bytes() - before
        share = added / self.bytes
        figure = f"{what} added {added} bytes to the log, {share:.3%} of {checks.mib(self.bytes)}"
        assert 0 < share < DEDUP_SHARE_MAX, figure
        return figure

    def second_names(self):
        return self.copies("other names", lambda: self.boto3_in(BUCKET, "again/", self.paths, part_mib=8))

    def second_bucket(self):
        self.s3.create_bucket(Bucket="second")
        self.expected["second"] = {}
        return self.copies("a second bucket", lambda: self.sync_in("second", "", self.paths))

    def strangers(self):
        path = self.paths[0]
        data = path.read_bytes()
        self.s3.put_object(Bucket=BUCKET, Key="public.jpg", Body=data, ACL="public-read", ContentType="image/jpeg")
        self.expect_extra("public.jpg", path)
        with urllib.request.urlopen(f"{self.server.endpoint}/{BUCKET}/public.jpg") as answer:
            assert answer.read() == data and answer.headers["Content-Type"] == "image/jpeg"
        request = urllib.request.Request(
            f"{self.server.endpoint}/{BUCKET}/public.jpg", headers={"Range": "bytes=10-19"}
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 206 and answer.read() == data[10:20]
        for what in (key_of(path), "nothing-here", "", "?list-type=2"):
            code = self.refused(f"{BUCKET}/{what}")
            assert code == 403, f"a stranger's GET of {BUCKET}/{what} answered {code}"

    def refused(self, what):
        try:
            with urllib.request.urlopen(f"{self.server.endpoint}/{what}") as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def expect_extra(self, key, path):
        self.expected[BUCKET][key] = path

    def reader_names(self):
        """Every name with its size and its blob's BLAKE3, computed here from the corpus."""
        import blake3

        ids = {path.name: blake3.blake3(path.read_bytes()).hexdigest() for path in self.paths}
        wanted = {
            f"{bucket}/{key}\t{path.stat().st_size}\t{ids[path.name]}"
            for bucket, keys in self.expected.items()
            for key, path in keys.items()
        }
        found = self.reader("names", self.server.data).splitlines()
        assert len(found) == len(wanted), f"the reader lists {len(found)} names, {len(wanted)} went in"
        assert set(found) == wanted, f"the reader lists {sorted(set(found) - wanted)[:3]}"
        self.ids = ids
        return f"{len(wanted)} names with sizes and ids"

    def reader_extract(self):
        smallest, *_, largest = sorted(self.paths, key=lambda path: path.stat().st_size)
        sample = [smallest, largest, *self.paths[:: len(self.paths) // 4]]
        for path in sample:
            out = self.dir / "extracted"
            self.reader("extract", self.server.data, self.ids[path.name], out)
            assert out.read_bytes() == path.read_bytes(), f"{path.name} differs"
        return f"{len(sample)} blobs"

    def reader(self, *arguments):
        done = subprocess.run([sys.executable, READER, *map(str, arguments)], capture_output=True, text=True)
        assert done.returncode == 0, f"the reader ended with {done.returncode}: {done.stderr[-1000:]}"
        return done.stdout

    def inspect(self):
        """Each view of the stopped files, for people and for programs; a long blob's extents lie in the log, in order."""
        path = max(self.paths, key=lambda path: path.stat().st_size)
        key = next(key for key, known in self.expected[BUCKET].items() if known == path)
        named = self.inspected("key", BUCKET, key)
        assert named["state"] == "live" and named["blob"] == self.ids[path.name], named
        blob = self.inspected("blob", named["blob"])
        assert blob["kind"] == "manifest" and blob["bytes"] == path.stat().st_size, blob
        assert sum(row["bytes"] for row in blob["rows"]) == blob["bytes"], blob
        assert all(row["lies_at"] for row in blob["rows"]), blob
        assert f"{BUCKET}/{key}" in blob["names"] and f"second/{key}" in blob["names"], blob["names"]
        names = {row["bucket"]: row["names"] for row in self.inspected("index")["rows"]}
        assert names == {bucket: len(keys) for bucket, keys in self.expected.items()}, names
        segments = self.inspected("segments")["rows"]
        assert segments and all(row["state"] == "sealed" for row in segments), segments
        last = str(segments[-1]["segment"])
        records = self.inspected("segment", last, "--records")
        assert len(records["rows"]) == records["records"], f"{len(records['rows'])} of {records['records']}"
        batches = self.inspected("segment", last, "--batches")
        assert len(batches["rows"]) == batches["batches"] and all(row["intact"] for row in batches["rows"])
        assert self.inspected("superblock")["format_version"] == 1
        return f"{path.name}: {len(blob['rows'])} extents; {len(segments)} segments"

    def inspected(self, *what):
        for_people = moraine("inspect", "--data", self.server.data, *what)
        assert for_people.returncode == 0 and for_people.stdout, for_people.stderr
        done = moraine("inspect", "--data", self.server.data, "--json", *what)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def clean(self):
        code, report = fsck(self.server.data)
        assert code == 0 and report["clean"], f"fsck ended with {code}: {report['findings'][:3]}"
        wanted = sum(len(keys) for keys in self.expected.values())
        assert report["names"] == wanted, f"fsck verified {report['names']} names, {wanted} went in"
        return f"{report['records']} records, {checks.mib(report['bytes'])}, {report['names']} names"

    def stop(self):
        self.server.stop()


def main():
    run = checks.Checks()
    test = Roundtrip()
    try:
        run.run("start", test.start)
        run.run("half through awscli, half through boto3", test.both_in)
        run.run("back through awscli", test.sync_out, BUCKET)
        run.run("back through boto3", test.boto3_out)
        run.run("listing by pages and by folders", test.listing)
        run.run("attributes and ETag", test.attributes)
        run.run("ranges", test.ranges)
        run.run("restart", test.restart)
        run.run("back after a restart", test.boto3_out)
        run.run("start without index/", test.without_index)
        run.run("back after index/ was deleted", test.boto3_out)
        run.run("the corpus under other names", test.second_names)
        run.run("the corpus in a second bucket", test.second_bucket)
        run.run("strangers see what is public", test.strangers)
        run.run("all copies back", test.boto3_out)
        run.run("stop", test.stop)
        run.run("the Python reader lists the names", test.reader_names)
        run.run("the Python reader extracts blobs", test.reader_extract)
        run.run("inspect", test.inspect)
        run.run("fsck", test.clean)
    finally:
        if test.server.process and test.server.process.poll() is None:
            test.server.kill()
    if not run.failed:
        shutil.rmtree(test.dir, ignore_errors=True)
    run.close()


if __name__ == "__main__":
    main()
