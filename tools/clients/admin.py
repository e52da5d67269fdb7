"""Tenants, keys, buckets and status through the commands, against the real server: keys work and stop working, tenants are
apart, figures add up, what was acknowledged survives `kill -9`, and mistakes are told in one sentence."""

import http.client
import json
import os
import socket
import stat
import subprocess

import checks
from server import ACCESS_KEY, BINARY, BUCKET, SECRET_KEY, Server, environment, moraine, scratch

ONE, TWO = "one.example", "two.example"
PICTURE = os.urandom(300_000)


class Admin:
    def __init__(self):
        self.dir = scratch("admin")
        self.server = Server(self.dir / "data")
        self.clients = []

    def command(self, *arguments, **options):
        """Runs a subcommand on the server's data directory."""
        return moraine(*arguments, "--data", self.server.data, **options)

    def json(self, *arguments):
        """Runs a subcommand that must succeed; what it printed with --json."""
        done = self.command(*arguments, "--json")
        assert done.returncode == 0, f"{arguments} ended with {done.returncode}: {done.stderr}"
        return json.loads(done.stdout)

    def refused(self, what, *arguments, **options):
        """The command must end with 2 and one sentence that holds `what`."""
        return is_refused(self.command(*arguments, **options), what)

    def client(self, key):
        """boto3 with a key as `key create --json` prints it."""
        mine, self.server.key = self.server.key, (key["access_key"], key["secret_key"])
        client = self.server.boto3()
        self.server.key = mine
        self.clients.append(client)
        return client

    def two_tenants(self):
        for name in (ONE, TWO):
            assert self.json("tenant", "create", name)["name"] == name
        self.key_one = self.json("key", "create", "--tenant", ONE)
        self.key_two = self.json("key", "create", "--tenant", TWO)
        assert list(self.key_one)[:2] == ["access_key", "secret_key"], self.key_one
        for name, tenant in (("first", ONE), ("second", TWO)):
            made = self.json("bucket", "create", name, "--tenant", tenant)
            assert (made["name"], made["tenant"], made["public_read"]) == (name, tenant, False), made
        self.one, self.two = self.client(self.key_one), self.client(self.key_two)
        self.one.put_object(Bucket="first", Key="a", Body=PICTURE)
        self.two.put_object(Bucket="second", Key="a", Body=PICTURE)
        assert self.two.get_object(Bucket="second", Key="a")["Body"].read() == PICTURE

    def isolation(self):
        """A key reaches its tenant's buckets and no others, in a list neither."""
        names = [bucket["Name"] for bucket in self.one.list_buckets()["Buckets"]]
        assert names == ["first"], names
        for call in (
            lambda: self.one.get_object(Bucket="second", Key="a"),
            lambda: self.one.put_object(Bucket="second", Key="b", Body=b"x"),
            lambda: self.one.list_objects_v2(Bucket="second"),
            lambda: self.two.delete_object(Bucket="first", Key="a"),
        ):
            assert error_of(call) == "AccessDenied"

    def figures(self):
        """Two objects of one content: twice the logical bytes, one blob; a part of an upload is neither."""
        upload = self.one.create_multipart_upload(Bucket="first", Key="u")["UploadId"]
        self.one.upload_part(Bucket="first", Key="u", UploadId=upload, PartNumber=1, Body=b"x" * 1000)
        self.two.put_object(Bucket="second", Key="b", Body=b"y" * 100)
        status = self.json("status")
        expected = {
            "health": "ok",
            "names": 3,
            "logical_bytes": 2 * len(PICTURE) + 100,
            "upload_bytes": 1000,
            "blobs": 2,
            "unique_bytes": len(PICTURE) + 100,
            "dedup_ratio": int(1000 * (2 * len(PICTURE) + 100) / (len(PICTURE) + 100)) / 1000,
        }
        found = {name: status[name] for name in expected}
        assert found == expected, found
        assert status["physical_bytes"] == status["log_bytes"] + status["index_bytes"]
        on_disk = sum(path.stat().st_blocks * 512 for path in (self.server.data / "log").rglob("*.seg"))
        assert on_disk <= status["log_bytes"] <= on_disk + (1 << 20), (on_disk, status["log_bytes"])
        by_tenant = {tenant["name"]: (tenant["names"], tenant["logical_bytes"]) for tenant in status["tenants"]}
        assert by_tenant == {"default": (0, 0), ONE: (1, len(PICTURE)), TWO: (2, len(PICTURE) + 100)}, by_tenant
        text = self.command("status").stdout
        assert "dedup ratio  1.999" in text and TWO in text, text
        self.one.abort_multipart_upload(Bucket="first", Key="u", UploadId=upload)
        self.two.delete_object(Bucket="second", Key="b")
        status = self.json("status")
        assert (status["names"], status["blobs"], status["dedup_ratio"]) == (2, 1, 2.0), status

    def rotation(self):
        old = self.json("key", "create", "--tenant", ONE)
        kept = self.json("key", "rotate", old["access_key"], "--keep-old")
        for key in (old, kept):
            self.client(key).head_object(Bucket="first", Key="a")
        new = self.json("key", "rotate", old["access_key"])
        assert error_of(lambda: self.client(old).list_objects_v2(Bucket="first")) == "InvalidAccessKeyId"
        assert self.client(new).list_objects_v2(Bucket="first")["KeyCount"] == 1
        listed = self.json("key", "list", "--tenant", ONE)
        assert {key["access_key"] for key in listed["keys"]} == {
            key["access_key"] for key in (self.key_one, kept, new)
        }, listed
        assert "secret" not in json.dumps(listed)
        for key in (kept, new):
            self.json("key", "delete", key["access_key"])
        assert error_of(lambda: self.client(new).list_objects_v2(Bucket="first")) == "InvalidAccessKeyId"

    def own_key(self):
        """A pair from another store, its secret from a file and from standard input, never from the command line."""
        secret = self.dir / "secret"
        secret.write_text("a-secret-from-elsewhere\n")
        own = ["key", "create", "--tenant", ONE, "--access-key", "OLDKEY", "--secret-key-file"]
        made = self.json(*own, secret)
        assert (made["access_key"], made["secret_key"]) == ("OLDKEY", "a-secret-from-elsewhere"), made
        self.client(made).head_object(Bucket="first", Key="a")
        self.refused("exists", *own, secret)
        self.json("key", "delete", "OLDKEY")
        done = self.command(*own, "-", "--json", input="another-secret-of-mine\n")
        assert json.loads(done.stdout)["secret_key"] == "another-secret-of-mine", done.stderr
        self.json("key", "delete", "OLDKEY")
        self.refused("no such file", *own, self.dir / "nowhere")

    def public_bucket(self):
        def status():
            connection = http.client.HTTPConnection(self.server.endpoint.removeprefix("http://"))
            connection.request("GET", "/first/a")
            try:
                return connection.getresponse().status
            finally:
                connection.close()

        assert status() == 403
        assert self.json("bucket", "set", "first", "--public-read")["public_read"] is True
        assert status() == 200
        self.json("bucket", "set", "first", "--private")
        assert status() == 403

    def refusals(self):
        self.refused("the tenant has buckets", "tenant", "delete", TWO)
        self.refused("the bucket is not empty", "bucket", "delete", "second")
        self.refused("the tenant exists", "tenant", "create", TWO)
        self.refused("the bucket exists", "bucket", "create", "second", "--tenant", ONE)
        self.refused("nobody.example", "key", "create", "--tenant", "nobody.example")
        self.refused("nothing", "bucket", "delete", "nothing")
        self.refused("letters", "tenant", "create", "a b")

    def files(self):
        data = self.server.data
        for name in ("admin.token", "admin.url", "store.key"):
            mode = stat.S_IMODE((data / name).stat().st_mode)
            assert mode == 0o600, f"{name} has mode {mode:o}"
        token = (data / "admin.token").read_text().strip()
        assert len(bytes.fromhex(token)) == 32
        assert token not in self.server.log_path.read_text() + self.server.printed()
        assert (data / "admin.url").read_text().strip() == self.server.admin
        secrets = [self.key_one["secret_key"], self.key_two["secret_key"]]
        log = self.server.log_path.read_text()
        assert not any(secret in log for secret in secrets), "a secret is in the log"

    def from_elsewhere(self):
        """Without the data directory: the address and a file with the token."""
        token = self.dir / "token-copy"
        token.write_text((self.server.data / "admin.token").read_text())
        elsewhere = ["--admin", self.server.admin, "--token-file", token, "--json"]
        done = moraine("tenant", "list", *elsewhere, cwd=self.dir)
        assert {tenant["name"] for tenant in json.loads(done.stdout)["tenants"]} == {"default", ONE, TWO}
        token.write_text("0" * 64)
        is_refused(moraine("tenant", "list", *elsewhere), "refuses the token")
        token.write_text("what is this")
        is_refused(moraine("tenant", "list", *elsewhere), "holds no token")
        self.refused("http://", "status", "--admin", "https://127.0.0.1:1")
        is_refused(moraine("status", "--data", self.dir / "nowhere"), "is no data directory")

    def output_nobody_reads(self):
        """A pipe that is closed early is no failure."""
        command = f'"{BINARY}" tenant list --data "{self.server.data}" --json | head -c 1'
        done = subprocess.run(["bash", "-o", "pipefail", "-c", command], env=environment(), capture_output=True)
        assert done.returncode == 0, done.stderr

    def kill(self):
        """What was answered is there after `kill -9`, with the token that was there before."""
        token = (self.server.data / "admin.token").read_text()
        made = self.json("key", "create", "--tenant", TWO)
        gone = self.json("key", "create", "--tenant", TWO)
        self.json("key", "delete", gone["access_key"])
        before = [self.json(what, "list") for what in ("tenant", "key", "bucket")]
        self.server.kill()
        self.after_a_kill()
        self.server.start()
        assert (self.server.data / "admin.token").read_text() == token
        assert [self.json(what, "list") for what in ("tenant", "key", "bucket")] == before
        assert self.client(made).get_object(Bucket="second", Key="a")["Body"].read() == PICTURE
        assert error_of(lambda: self.client(gone).list_buckets()) == "InvalidAccessKeyId"

    def after_a_kill(self):
        """The address of a killed server stays behind, and anybody may listen there: nothing is sent to them."""
        assert (self.server.data / "admin.url").read_text().strip() == self.server.admin
        host, port = self.server.admin.removeprefix("http://").split(":")
        with socket.create_server((host, int(port))) as listener:
            listener.setblocking(False)
            self.refused("the server is not running", "status")
            self.refused("the server is not running", "key", "list")
            try:
                listener.accept()
            except BlockingIOError:
                pass
            else:
                raise AssertionError("a command connected to whoever took the port of a killed server")
        self.refused("no server answers", "status", "--admin", self.server.admin)

    def empty_variables(self):
        """What is set to nothing is not set."""
        names = ("MORAINE_ADMIN_URL", "MORAINE_ADMIN_TOKEN_FILE")
        done = self.command("status", "--json", env=environment(**dict.fromkeys(names, "")))
        assert done.returncode == 0 and json.loads(done.stdout)["health"] == "ok", done.stderr

    def start_that_fails(self):
        """A server that listens already, but cannot be set up, takes its address back."""
        self.server.stop()
        mine, self.server.key = self.server.key, (ACCESS_KEY, "another-secret-for-tests")
        try:
            self.server.start()
        except AssertionError as why:
            assert "with another secret" in str(why), why
        else:
            raise AssertionError("the server started with another secret for a known key")
        assert not (self.server.data / "admin.url").exists(), "the address stays behind"
        self.server.key = mine
        self.server.start()

    def stopped(self):
        self.server.stop()
        assert not (self.server.data / "admin.url").exists()
        self.refused("the server is not running", "tenant", "list")
        token = self.server.data / "admin.token"
        before = token.read_text()
        token.chmod(0o644)
        self.server.start()
        assert token.read_text() != before, "a token that others could read was kept"
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
        assert self.json("status")["health"] == "ok"

    def the_end(self):
        """A tenant goes with its keys; nothing that was deleted comes back with a restart."""
        self.client(self.key_two).delete_object(Bucket="second", Key="a")
        self.json("bucket", "delete", "second")
        self.json("tenant", "delete", TWO)
        assert error_of(lambda: self.client(self.key_two).list_buckets()) == "InvalidAccessKeyId"
        self.server.key = None
        self.json("key", "delete", ACCESS_KEY)
        self.json("bucket", "delete", BUCKET)
        self.json("tenant", "delete", "default")
        self.server.stop()
        self.server.start()
        assert "Access key" not in self.server.printed(), self.server.printed()
        tenants = self.json("tenant", "list")["tenants"]
        assert [tenant["name"] for tenant in tenants] == [ONE], tenants
        self.client(self.key_one).head_object(Bucket="first", Key="a")

    def close(self):
        for client in self.clients:
            client.close()
        if self.server.process and self.server.process.poll() is None:
            self.server.kill()


def is_refused(done, what):
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2, f"ended with {done.returncode}: {done.stdout}{done.stderr}"
    assert len(lines) == 1 and lines[0].startswith("moraine: "), done.stderr
    assert what.lower() in lines[0].lower(), done.stderr
    return lines[0].removeprefix("moraine: ")


def error_of(call):
    """The S3 error code that a call must end with."""
    from botocore.exceptions import ClientError

    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    raise AssertionError("the call was answered")


def main():
    run = checks.Checks()
    test = Admin()
    try:
        test.server.start()
        run.run("two tenants with keys and buckets", test.two_tenants)
        run.run("a key reaches its tenant only", test.isolation)
        run.run("figures of shared content", test.figures)
        run.run("rotation", test.rotation)
        run.run("a key from another store", test.own_key)
        run.run("a public bucket", test.public_bucket)
        run.run("refusals in one sentence", test.refusals)
        run.run("files and secrets", test.files)
        run.run("without the data directory", test.from_elsewhere)
        run.run("a pipe that is closed early", test.output_nobody_reads)
        run.run("empty variables", test.empty_variables)
        run.run("kill -9, and who listens in its place", test.kill)
        run.run("a start that fails late", test.start_that_fails)
        run.run("a stopped server, and a token that others could read", test.stopped)
        run.run("deleted for good", test.the_end)
    finally:
        test.close()
    run.close()


if __name__ == "__main__":
    main()
