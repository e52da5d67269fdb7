"""s3cmd: buckets, trees with hard names, ACLs, copies, headers, parts, links (signed with SigV2 in the query)."""

import samples
import stage
from samples import MIB

CONFIG = """[default]
access_key = {key}
secret_key = {secret}
bucket_location = US
host_base = {host}
host_bucket = {host}
use_https = {https}
signurl_use_https = {https}
ca_certs_file = {ca}
check_ssl_hostname = True
guess_mime_type = True
use_mime_magic = False
multipart_chunk_size_mb = 5
max_retries = 1
progress_meter = False
signature_v2 = False
"""


class S3cmd:
    def __init__(self, place, url, bucket, certificate=""):
        self.stage, self.bucket = place, bucket
        self.config = place.home / f"{bucket}.s3cfg"
        scheme, host = url.split("://")
        self.config.write_text(
            CONFIG.format(
                key=place.key[0], secret=place.key[1], host=host, https=scheme == "https", ca=certificate
            )
        )
        self.here = place.home / f"{bucket}-tree"
        self.files = samples.tree(self.here, [0, 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 11 * MIB])

    def s3cmd(self, *arguments, **options):
        command = ["s3cmd", "-c", self.config, "--no-progress", *arguments]
        environment = self.stage.client_environment(LC_ALL="C.UTF-8", PYTHONIOENCODING="utf-8")
        done = self.stage.run(command, env=environment, **options)
        return done if options.get("check") is False else done.decode()

    def at(self, key=""):
        return f"s3://{self.bucket}/{key}"

    def names(self, *where):
        lines = self.s3cmd("ls", "--recursive", *where).splitlines()
        return {line.split(None, 3)[3]: int(line.split(None, 3)[2]) for line in lines}

    def mb(self):
        self.s3cmd("mb", f"s3://{self.bucket}")
        assert f"s3://{self.bucket}" in self.s3cmd("ls")
        info = self.s3cmd("info", f"s3://{self.bucket}")
        assert "Location:" in info and "us-east-1" in info, info

    def sync(self):
        self.s3cmd("sync", f"{self.here}/", self.at("tree/"))
        found = self.names(self.at("tree/"))
        wanted = {self.at(f"tree/{name}"): len(data) for name, data in self.files.items()}
        assert found == wanted, f"{set(found) ^ set(wanted)}"
        again = self.s3cmd("sync", f"{self.here}/", self.at("tree/"))
        assert "upload:" not in again, again[-500:]
        return f"{len(found)} files"

    def back(self):
        out = self.stage.home / f"{self.bucket}-out"
        out.mkdir()
        self.s3cmd("sync", self.at("tree/"), f"{out}/")
        samples.assert_same(samples.read_tree(out), self.files, "synced back")
        self.stage.run(["rm", "-rf", out])

    def put_and_get(self):
        path = self.here / "media/one.webp"
        self.s3cmd("put", "--acl-public", "--add-header=Cache-Control: max-age=99", "--mime-type=image/webp",
                   path, self.at("public/ein bild +ü.webp"))  # fmt: skip
        data = path.read_bytes()
        self.stage.seen(self.bucket, "public/ein bild +ü.webp", data, content_type="image/webp", cache_control="max-age=99")
        out = self.stage.home / "got.webp"
        self.s3cmd("get", "--force", self.at("public/ein bild +ü.webp"), out)
        assert out.read_bytes() == data
        info = self.s3cmd("info", self.at("public/ein bild +ü.webp"))
        assert "image/webp" in info and samples.md5(data) in info and "anon" in info.lower(), info

    def by_parts(self):
        data = samples.of_size(16 * MIB + 5)
        done = self.stage.run(
            ["s3cmd", "-c", self.config, "put", "-", self.at("parts/piped.bin")], data=data,
            env=self.stage.client_environment(),
        )  # fmt: skip
        assert self.names(self.at("parts/")) == {self.at("parts/piped.bin"): len(data)}, done
        out = self.stage.home / "piped.bin"
        self.s3cmd("get", "--force", self.at("parts/piped.bin"), out)
        assert out.read_bytes() == data
        part = samples.md5(data[: 5 * MIB])
        assert part, "parts are 5 MiB"

    def uploads(self):
        s3 = self.stage.boto3()
        upload = s3.create_multipart_upload(Bucket=self.bucket, Key="given/up")["UploadId"]
        s3.upload_part(Bucket=self.bucket, Key="given/up", UploadId=upload, PartNumber=1, Body=b"x")
        assert upload in self.s3cmd("multipart", f"s3://{self.bucket}")
        assert "\t1\t" in self.s3cmd("listmp", self.at("given/up"), upload)
        self.s3cmd("abortmp", self.at("given/up"), upload)
        assert not s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads")

    def setacl(self):
        key, data = "tree/media/one.jpg", self.files["media/one.jpg"]
        self.stage.unseen(self.bucket, key)
        self.s3cmd("setacl", "--acl-public", self.at(key))
        self.stage.seen(self.bucket, key, data, content_type="image/jpeg")
        self.s3cmd("setacl", "--acl-private", self.at(key))
        self.stage.unseen(self.bucket, key)

    def cp_and_mv(self):
        self.s3cmd("cp", self.at("tree/media/one.png"), self.at("copied/ünd + %20.png"))
        self.s3cmd("mv", self.at("copied/ünd + %20.png"), self.at("moved/here now.png"))
        assert self.names(self.at("copied/")) == {}
        out = self.stage.home / "moved.png"
        self.s3cmd("get", "--force", self.at("moved/here now.png"), out)
        assert out.read_bytes() == self.files["media/one.png"]

    def modify(self):
        """Headers of what is stored: a copy onto itself."""
        self.s3cmd("modify", "--add-header=Cache-Control: max-age=7", "--acl-public", self.at("tree/media/one.gif"))
        head = self.stage.boto3().head_object(Bucket=self.bucket, Key="tree/media/one.gif")
        self.stage.seen(self.bucket, "tree/media/one.gif", self.files["media/one.gif"], content_type="image/gif")
        assert head["CacheControl"] == "max-age=7" and head["ContentType"] == "image/gif", head

    def signurl(self):
        link = self.s3cmd("signurl", self.at("tree/media/one.mp4"), "+600").strip()
        assert "Signature=" in link and "X-Amz" not in link, link
        answer = self.stage.fetch(link)
        assert answer.status == 200 and answer.body == self.files["media/one.mp4"], f"{answer.status} {answer.body[:300]}"
        assert self.stage.fetch(link.replace("one.mp4", "one.gif")).status == 403
        late = self.s3cmd("signurl", self.at("tree/media/one.mp4"), "1000000000").strip()
        assert self.stage.fetch(late).status == 403

    def refusals(self):
        """What is not supported fails, and says why."""
        policy = self.stage.home / "policy.json"
        policy.write_text("{}")
        for what in (["setpolicy", policy, f"s3://{self.bucket}"], ["expire", "--expiry-days=1", f"s3://{self.bucket}"]):
            done = self.s3cmd(*what, check=False)
            assert done.returncode != 0, f"{what[0]} was not refused"
            assert b"501" in done.stderr or b"NotImplemented" in done.stderr, done.stderr[-300:]

    def delete(self):
        assert self.s3cmd("du", f"s3://{self.bucket}").split()[0].isdigit()
        self.s3cmd("del", self.at("moved/here now.png"))
        self.s3cmd("del", "--recursive", "--force", self.at("tree/"))
        assert not self.names(self.at("tree/"))
        self.s3cmd("rb", "--recursive", "--force", f"s3://{self.bucket}")
        assert f"s3://{self.bucket}" not in self.s3cmd("ls")


def body(run, place):
    for way, url, trust in (("http", place.plain, ""), ("TLS", place.tls, place.front.certificate)):
        test = S3cmd(place, url, f"s3cmd-{way.lower()}", trust)
        every = [test.mb, test.sync, test.back, test.put_and_get, test.by_parts, test.uploads, test.setacl, test.cp_and_mv]
        every += [test.modify, test.signurl, test.refusals, test.delete]
        for check in every if way == "http" else [test.mb, test.sync, test.back, test.signurl, test.delete]:
            run.run(f"s3cmd over {way}: {check.__name__.replace('_', ' ')}", check)


if __name__ == "__main__":
    stage.main("s3cmd", body)
