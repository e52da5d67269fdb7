"""rclone: a tree with hard names goes in and comes back, is checked by hash and by content, copied and moved inside the
server, cleaned up; large files by parts; a public object by a stranger's eyes."""

import json

import samples
import stage
from samples import MIB

#: Files above it are sent by parts of 5 MiB, so that a few MiB are enough for both ways.
CUTOFF = ["--s3-upload-cutoff", "6Mi", "--s3-chunk-size", "5Mi"]


class Rclone:
    def __init__(self, place, url, bucket, certificate=None):
        self.stage, self.bucket = place, bucket
        self.trust = ["--ca-cert", certificate] if certificate else []
        self.here = place.home / f"{bucket}-tree"
        self.files = samples.tree(self.here)
        self.environment = place.client_environment(
            RCLONE_CONFIG="/dev/null",
            RCLONE_CONFIG_M_TYPE="s3",
            RCLONE_CONFIG_M_PROVIDER="Other",
            RCLONE_CONFIG_M_ENDPOINT=url,
            RCLONE_CONFIG_M_ACCESS_KEY_ID=place.key[0],
            RCLONE_CONFIG_M_SECRET_ACCESS_KEY=place.key[1],
            RCLONE_CONFIG_M_REGION=stage.REGION,
        )

    def rclone(self, *arguments, check=True):
        command = ["rclone", "--retries", "1", "--low-level-retries", "1", *self.trust, *CUTOFF, *arguments]
        return self.stage.run(command, check=check, env=self.environment)

    def at(self, path=""):
        return f"M:{self.bucket}/{path}"

    def listed(self, path=""):
        return {item["Path"]: item for item in json.loads(self.rclone("lsjson", "-R", "--files-only", "--hash", self.at(path)))}

    def there(self):
        out = self.stage.home / f"{self.bucket}-out"
        self.rclone("copy", self.at(), out)
        found = samples.read_tree(out)
        self.stage.run(["rm", "-rf", out])
        return found

    def mkdir(self):
        self.rclone("mkdir", f"M:{self.bucket}")
        assert f"{self.bucket}" in self.rclone("lsd", "M:").decode()

    def sync(self):
        self.rclone("sync", "--s3-acl", "private", self.here, self.at())
        listed = self.listed()
        assert set(listed) == set(self.files), f"{set(listed) ^ set(self.files)}"
        for name, item in listed.items():
            assert item["Size"] == len(self.files[name]), f"{name}: {item}"
            assert item["Hashes"]["md5"] == samples.md5(self.files[name]), f"{name}: {item}"
        assert listed["media/one.jpg"]["MimeType"] == "image/jpeg"
        return f"{len(self.files)} files"

    def check(self):
        for more in ([], ["--download"]):
            self.rclone("check", *more, self.here, self.at())

    def back(self):
        samples.assert_same(self.there(), self.files, "copied back")

    def nothing_to_do(self):
        done = self.rclone("sync", "-v", "--stats-log-level", "INFO", self.here, self.at(), check=False)
        assert done.returncode == 0 and b"Copied" not in done.stderr, done.stderr[-800:]

    def changes(self):
        """A file less, one changed, one new: `sync` makes the other side the same."""
        gone, changed = "with space.jpg", "plus+plus+.jpg"
        (self.here / gone).unlink()
        del self.files[gone]
        self.files[changed] = self.files["new file.bin"] = samples.of_size(7 * MIB + 3)
        for name in (changed, "new file.bin"):
            (self.here / name).write_bytes(self.files[name])
        self.rclone("sync", self.here, self.at())
        samples.assert_same(self.there(), self.files, "after changes")

    def copies(self):
        """Inside the server, small and by parts (`UploadPartCopy`)."""
        self.rclone("copy", "--s3-copy-cutoff", "6Mi", self.at(), f"M:{self.bucket}-copy/below/here")
        self.rclone("check", self.here, f"M:{self.bucket}-copy/below/here")
        self.rclone("moveto", f"M:{self.bucket}-copy/below/here/media/one.jpg", f"M:{self.bucket}-copy/moved ünd +.jpg")
        moved = self.rclone("cat", f"M:{self.bucket}-copy/moved ünd +.jpg")
        assert moved == self.files["media/one.jpg"]
        self.rclone("move", f"M:{self.bucket}-copy/below/here/sizes", f"M:{self.bucket}-copy/sizes")
        left = self.rclone("lsf", "-R", "--files-only", f"M:{self.bucket}-copy/below").decode()
        assert "one.jpg" not in left and "sizes/" not in left and "one.png" in left

    def public(self):
        data = self.files["media/one.png"]
        self.rclone("copyto", "--s3-acl", "public-read", "--header-upload", "Cache-Control: max-age=60",
                    self.here / "media/one.png", self.at("public/one picture.png"))  # fmt: skip
        self.stage.seen(self.bucket, "public/one picture.png", data, content_type="image/png", cache_control="max-age=60")
        self.stage.unseen(self.bucket, "media/one.png")
        link = self.rclone("link", "--expire", "10m", self.at("media/one.png")).decode().strip()
        answer = self.stage.fetch(link)
        assert answer.status == 200 and answer.body == data, f"{answer.status} {answer.body[:300]}"
        self.rclone("deletefile", self.at("public/one picture.png"))

    def streams(self):
        data = samples.of_size(12 * MIB + 1)
        self.stage.run(["rclone", *self.trust, *CUTOFF, "--streaming-upload-cutoff", "1Mi", "rcat", self.at("piped.bin")],
                       data=data, env=self.environment)  # fmt: skip
        assert self.rclone("cat", self.at("piped.bin")) == data
        assert self.rclone("cat", "--offset", "6000000", "--count", "77", self.at("piped.bin")) == data[6000000:6000077]
        self.rclone("deletefile", self.at("piped.bin"))

    def times(self):
        """The time of a file is kept in the metadata, and set by a copy onto itself."""
        self.rclone("touch", "-t", "2021-02-03T04:05:06", self.at("media/one.gif"))
        stat = json.loads(self.rclone("lsjson", "--stat", self.at("media/one.gif")))
        assert stat["ModTime"].startswith("2021-02-03T04:05:06"), stat

    def cleanup(self):
        """Uploads that were begun and given up are listed and removed."""
        s3 = self.stage.boto3()
        upload = s3.create_multipart_upload(Bucket=self.bucket, Key="left/over +.bin")["UploadId"]
        s3.upload_part(Bucket=self.bucket, Key="left/over +.bin", UploadId=upload, PartNumber=1, Body=b"x")
        listed = self.rclone("backend", "list-multipart-uploads", f"M:{self.bucket}").decode()
        assert upload in listed and "left/over" in listed, listed
        self.rclone("backend", "cleanup", f"M:{self.bucket}", "-o", "max-age=0s")
        assert not s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads")

    def purge(self):
        self.rclone("delete", self.at("sizes"))
        assert not self.listed("sizes")
        for bucket in (self.bucket, f"{self.bucket}-copy"):
            self.rclone("purge", f"M:{bucket}")
        assert self.bucket not in self.rclone("lsd", "M:").decode()


def body(run, place):
    ways = [("http", place.plain, None), ("TLS", place.tls, place.front.certificate)]
    for way, url, certificate in ways:
        test = Rclone(place, url, f"rclone-{way.lower()}", certificate)
        every = [test.mkdir, test.sync, test.check, test.back, test.nothing_to_do, test.changes, test.copies, test.public]
        every += [test.streams, test.times, test.cleanup, test.purge]
        over_tls = [test.mkdir, test.sync, test.check, test.copies, test.streams, test.purge]
        for check in every if way == "http" else over_tls:
            run.run(f"rclone over {way}: {check.__name__.replace('_', ' ')}", check)


if __name__ == "__main__":
    stage.main("rclone", body)
