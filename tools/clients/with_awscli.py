"""The AWS command line, Debian's 2.9 and the newest: single files, trees with hard names, parts, copies inside the server,
pipes, links, and the plain calls of `s3api`. The old one sends MD5s, the new one checksums, over TLS as trailers."""

import concurrent.futures
import json
import pathlib
import shutil

import samples
import stage
from samples import MIB

DEBIAN = pathlib.Path("/usr/bin/aws")
NEWEST = stage.TARGET / "venv" / "bin" / "aws"

#: For the library inside Debian's command, with one connection: every file is announced, an empty one, too.
WAITS = """
import io, sys
from awscli.botocore.config import Config
from awscli.botocore.session import Session

s3 = Session().create_client("s3", endpoint_url=sys.argv[1], config=Config(max_pool_connections=1))
for data in (b"", b"not empty"):
    print(s3.put_object(Bucket=sys.argv[2], Key="waits", Body=io.BytesIO(data)).get("ETag"))
"""


class Aws:
    def __init__(self, place, program, url, bucket):
        self.stage, self.program, self.url, self.bucket = place, program, url, bucket
        self.at = ["--bucket", bucket]
        config = place.home / f"{bucket}.config"
        config.write_text("[default]\nregion = us-east-1\nretry_mode = standard\nmax_attempts = 1\ncli_pager =\n")
        more = {"AWS_CA_BUNDLE": place.front.certificate} if url.startswith("https") else {}
        self.environment = place.client_environment(
            AWS_ACCESS_KEY_ID=place.key[0],
            AWS_SECRET_ACCESS_KEY=place.key[1],
            AWS_CONFIG_FILE=config,
            AWS_SHARED_CREDENTIALS_FILE="/dev/null",
            AWS_EC2_METADATA_DISABLED="true",
            **more,
        )

    def aws(self, *arguments, **options):
        return self.stage.run([self.program, "--endpoint-url", self.url, *arguments], env=self.environment, **options)

    def api(self, call, *arguments):
        """One plain call; its answer."""
        out = self.aws("s3api", call, *self.at, *arguments, "--output", "json")
        return json.loads(out) if out.strip() else {}

    def refused(self, call, *arguments):
        done = self.aws("s3api", call, *self.at, *arguments, check=False)
        assert done.returncode != 0, f"{call} was not refused"
        return done.stderr.decode()

    def s3(self, *arguments, **options):
        return self.aws("s3", *arguments, **options)

    def uri(self, key=""):
        return f"s3://{self.bucket}/{key}"

    def make(self):
        self.s3("mb", f"s3://{self.bucket}")
        assert self.bucket in self.s3("ls").decode()

    def single(self):
        path = samples.of_kind(".jpg", 2)
        data, key = path.read_bytes(), "one/ein bild +%20 ü.jpg"
        self.s3("cp", "--only-show-errors", "--acl", "public-read", "--cache-control", "max-age=5", "--metadata", "a=b", path,
                self.uri(key))  # fmt: skip
        self.stage.seen(self.bucket, key, data, content_type="image/jpeg", cache_control="max-age=5")
        head = self.api("head-object", "--key", key)
        assert head["Metadata"] == {"a": "b"} and head["ETag"] == f'"{samples.md5(data)}"'
        out = self.stage.home / f"{self.bucket}-one.jpg"
        self.s3("cp", "--only-show-errors", self.uri(key), out)
        assert out.read_bytes() == data
        link = self.s3("presign", "--expires-in", "600", self.uri(key)).decode().strip()
        answer = self.stage.fetch(link)
        assert answer.status == 200 and answer.body == data, f"{answer.status} {answer.body[:300]}"

    def trees(self):
        """In, again (nothing to do), out, compared; above 8 MiB by parts."""
        here, out = self.stage.home / f"{self.bucket}-tree", self.stage.home / f"{self.bucket}-out"
        files = samples.tree(here)
        self.s3("sync", "--only-show-errors", here, self.uri("tree"))
        listed = self.s3("ls", "--recursive", self.uri("tree/")).decode().splitlines()
        found = {line.split(None, 2)[2].split(" ", 1)[1]: int(line.split(None, 3)[2]) for line in listed}
        assert found == {f"tree/{name}": len(data) for name, data in files.items()}, f"{found}"
        assert not self.s3("sync", here, self.uri("tree")).strip(), "a second sync had something to do"
        self.s3("sync", "--only-show-errors", self.uri("tree"), out)
        samples.assert_same(samples.read_tree(out), files, "synced back")
        head = self.api("head-object", "--key", f"tree/sizes/{samples.SIZES[-1]}.bin")
        assert head["ETag"] == f'"{samples.multipart_etag(samples.of_size(samples.SIZES[-1]), 8 * MIB)}"'
        (here / "with space.jpg").unlink()
        done = self.s3("sync", "--delete", here, self.uri("tree")).decode()
        assert done.count("delete:") == 1, done
        shutil.rmtree(here)
        shutil.rmtree(out)
        return f"{len(files)} files"

    def inside(self):
        """Copies and moves inside the server, small and by parts (`UploadPartCopy`), keep what belongs to the object."""
        long = f"tree/sizes/{samples.SIZES[-1]}.bin"
        self.s3("cp", "--only-show-errors", self.uri(long), self.uri("copy/long +ü.bin"))
        self.s3("mv", "--only-show-errors", self.uri("one/ein bild +%20 ü.jpg"), self.uri("copy/moved.jpg"))
        head = self.api("head-object", "--key", "copy/moved.jpg")
        assert head["Metadata"] == {"a": "b"} and head["CacheControl"] == "max-age=5", head
        back = self.s3("cp", "--only-show-errors", self.uri("copy/long +ü.bin"), "-")
        assert back == samples.of_size(samples.SIZES[-1])
        assert "404" in self.refused("head-object", "--key", "one/ein bild +%20 ü.jpg")

    def waits(self):
        """On one connection, an empty body that waits to be asked for, then one that is not empty."""
        out = self.stage.run(["/usr/bin/python3", "-c", WAITS, self.url, self.bucket], env=self.environment)
        assert out.decode().split() == [f'"{samples.md5(data)}"' for data in (b"", b"not empty")], out

    def pipes(self):
        data = samples.of_size(9 * MIB + 1)
        self.s3("cp", "--only-show-errors", "-", self.uri("piped"), data=data)
        assert self.s3("cp", "--only-show-errors", self.uri("piped"), "-") == data

    # The plain calls.

    def reads(self):
        key, data = ["--key", "piped"], samples.of_size(9 * MIB + 1)
        out = self.stage.home / f"{self.bucket}-part"
        answer = self.api("get-object", *key, "--range", "bytes=100-199", out)
        assert answer["ContentRange"] == f"bytes 100-199/{len(data)}" and out.read_bytes() == data[100:200]
        answer = self.api("get-object", *key, "--part-number", "2", out)
        assert answer["PartsCount"] == 2 and out.read_bytes() == data[8 * MIB :]
        self.api("get-object", *key, "--checksum-mode", "ENABLED", out)
        assert out.read_bytes() == data
        assert self.api("get-object-tagging", *key)["TagSet"] == []
        assert "304" in self.refused("get-object", *key, "--if-none-match", answer["ETag"], out)

    def writes(self):
        path = samples.of_kind(".gif")
        for algorithm in ("SHA256", "CRC32"):
            key = ["--key", f"sum/{algorithm}"]
            put = self.api("put-object", *key, "--body", path, "--checksum-algorithm", algorithm, "--content-type", "image/gif")
            head = self.api("head-object", *key, "--checksum-mode", "ENABLED")
            name = f"Checksum{algorithm}"
            assert put[name] == head[name] and head["ContentType"] == "image/gif"
        wrong = ["--key", "wrong", "--body", path, "--content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="]
        assert "BadDigest" in self.refused("put-object", *wrong)
        if self.program == NEWEST:
            again = self.refused("put-object", "--key", "sum/CRC32", "--body", path, "--if-none-match", "*")
            assert "PreconditionFailed" in again, again

    def acls(self):
        key = "sum/CRC32"
        self.stage.unseen(self.bucket, key)
        self.api("put-object-acl", "--key", key, "--acl", "public-read")
        self.stage.seen(self.bucket, key, samples.of_kind(".gif").read_bytes(), content_type="image/gif")
        assert len(self.api("get-object-acl", "--key", key)["Grants"]) == 2
        self.api("put-object-acl", "--key", key, "--acl", "private")
        self.stage.unseen(self.bucket, key)
        self.stage.unlisted(self.bucket)

    def lists(self):
        new = self.api("list-objects-v2", "--prefix", "tree/", "--delimiter", "/")
        old = self.api("list-objects", "--prefix", "tree/", "--delimiter", "/")
        assert new["CommonPrefixes"] == old["CommonPrefixes"] and new["CommonPrefixes"]
        keys = [item["Key"] for item in self.api("list-objects-v2", "--page-size", "3")["Contents"]]
        assert [item["Key"] for item in self.api("list-object-versions", "--page-size", "7")["Versions"]] == keys
        later = [item["Key"] for item in self.api("list-objects-v2", "--start-after", keys[4])["Contents"]]
        assert later == keys[5:]
        assert self.api("get-bucket-location") == {"LocationConstraint": None}
        assert self.api("get-bucket-versioning") == {}
        return f"{len(keys)} keys"

    def uploads(self):
        key = ["--key", "left over +ü"]
        upload = ["--upload-id", self.api("create-multipart-upload", *key)["UploadId"]]
        path = samples.of_kind(".webp")
        self.api("upload-part", *key, *upload, "--part-number", "3", "--body", path)
        assert self.api("list-parts", *key, *upload)["Parts"][0]["Size"] == path.stat().st_size
        assert self.api("list-multipart-uploads")["Uploads"][0]["Key"] == key[1]
        self.api("abort-multipart-upload", *key, *upload)
        assert "Uploads" not in self.api("list-multipart-uploads")

    def refusals(self):
        cases = [
            ("put-bucket-versioning", "--versioning-configuration", "Status=Enabled"),
            ("put-bucket-policy", "--policy", "{}"),
            ("put-object-tagging", "--key", "piped", "--tagging", "TagSet=[{Key=a,Value=b}]"),
            ("get-object-attributes", "--key", "piped", "--object-attributes", "ETag"),
        ]
        for case in cases:
            said = self.refused(*case)
            assert "NotImplemented" in said, f"{case[0]}: {said[-300:]}"

    def removal(self):
        gone = {"Objects": [{"Key": "sum/CRC32"}, {"Key": "never was"}], "Quiet": True}
        assert not self.api("delete-objects", "--delete", json.dumps(gone)).get("Errors")
        self.s3("rm", "--only-show-errors", "--recursive", self.uri("tree/sizes"))
        self.s3("rb", "--force", f"s3://{self.bucket}")
        assert "404" in self.refused("head-bucket")


def flavour(run, place, name, program, way):
    test = Aws(place, program, place.plain if way == "http" else place.tls, f"aws-{name.replace('.', '-')}-{way.lower()}")
    main = [test.make, test.single, test.trees, test.inside, *([test.waits] if program == DEBIAN else []), test.pipes]
    more = [test.reads, test.writes, test.acls, test.lists, test.uploads, test.refusals]
    for check in [*main, *(more if way == "http" else [test.writes]), test.removal]:
        run.run(f"awscli {name} over {way}: {check.__name__}", check)


def body(run, place):
    """Both versions at once: most of the time goes into starting the program, a hundred times over."""
    samples.pictures()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for way in ("http", "TLS"):
            versions = (("newest", NEWEST), ("2.9", DEBIAN))
            jobs = [pool.submit(flavour, run, place, name, program, way) for name, program in versions]
            for job in jobs:
                job.result()


if __name__ == "__main__":
    stage.main("awscli", body)
