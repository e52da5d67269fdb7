"""Where a client is tested: the release server, the TLS front before it, a folder for the client, and what a stranger sees.

With `MORAINE_TEST_ENDPOINT` (and the pair in `MORAINE_TEST_KEY` and `MORAINE_TEST_SECRET`) the clients are pointed at that
server instead: the way to see whether another S3 answers a client in the same way. What strangers see differs there.
"""

import contextlib
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import urllib.parse

import checks
from front import Front
from server import ACCESS_KEY, ROOT, SECRET_KEY, TARGET, Server, environment, fsck, scratch

OTHER = os.environ.get("MORAINE_TEST_ENDPOINT")
REGION = "us-east-1"
#: Buckets are addressed as its sub-domains, too. No resolver knows it: see `resolved_here`.
DOMAIN = "media.test"
#: What a stranger gets with every object: media is embedded in the pages of other sites, and must not act as a page.
PUBLIC_HEADERS = {
    "access-control-allow-origin": "*",
    "x-content-type-options": "nosniff",
    "accept-ranges": "bytes",
}


class Answer:
    """What came back: status, headers by lower-case name, body."""

    def __init__(self, answer):
        self.status = answer.status
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        self.body = answer.read()


class Stage:
    """The server and its front; `key` is (access key, secret key). Use it as a context."""

    def __init__(self, name, tls=True):
        self.dir = scratch(name)
        self.home = self.dir / "home"
        self.home.mkdir()
        self.server = self.front = None
        self.wants_tls = tls

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        if OTHER:
            self.plain = OTHER
            self.key = (os.environ["MORAINE_TEST_KEY"], os.environ["MORAINE_TEST_SECRET"])
        else:
            self.server = Server(self.dir / "data", arguments=["--domain", DOMAIN])
            self.server.start()
            self.plain = self.server.endpoint
            self.key = (ACCESS_KEY, SECRET_KEY)
        if self.wants_tls:
            self.front = Front(self.dir / "front", urllib.parse.urlsplit(self.plain).port)
            self.front.start()

    def __exit__(self, *_):
        if self.front:
            self.front.stop()
        if self.server and self.server.process and self.server.process.poll() is None:
            self.server.kill()

    def sound(self):
        """The server ends cleanly, and what the client left in the store is whole."""
        if not self.server:
            raise checks.Skip("the server is another")
        self.server.stop()
        code, report = fsck(self.server.data)
        assert code == 0 and report["clean"], f"fsck ended with {code}: {report['findings'][:3]}"
        return f"{report['records']} records, {report['names']} names"

    @property
    def tls(self):
        return self.front.url

    def client_environment(self, **more):
        """For a client's process: no settings of whoever runs the tests."""
        return environment(HOME=self.home, XDG_CONFIG_HOME=self.home, XDG_CACHE_HOME=self.home / "cache", TZ="UTC", **more)

    def run(self, command, check=True, data=None, env=None):
        """Runs a client to its end; returns what it printed, or the whole result if it may fail."""
        done = subprocess.run(
            list(map(str, command)),
            capture_output=True,
            input=data,
            timeout=300,
            cwd=self.home,
            env=env or self.client_environment(),
        )
        if not check:
            return done
        shown = " ".join(map(str, command[:6]))
        assert done.returncode == 0, (
            f"{shown} ... ended with {done.returncode}: {(done.stderr + done.stdout).decode(errors='replace')[-1500:]}"
        )
        return done.stdout

    def boto3(self, endpoint=None, face="client", **options):
        """boto3's `client` or `resource`, which does not retry unless told: failures are the test's to see."""
        import boto3
        from botocore.config import Config

        endpoint = endpoint or self.plain
        options.setdefault("retries", {"total_max_attempts": 1})
        options.setdefault("read_timeout", 120)
        return getattr(boto3, face)(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id=self.key[0],
            aws_secret_access_key=self.key[1],
            region_name=REGION,
            verify=str(self.front.certificate) if endpoint.startswith("https") else None,
            config=Config(max_pool_connections=16, **options),
        )

    # Without a signature.

    def anonymous(self, path, method="GET", headers=None):
        """A request as a stranger sends it; `path` is percent-encoded already."""
        target = urllib.parse.urlsplit(self.plain)
        connection = http.client.HTTPConnection(target.hostname, target.port, timeout=60)
        try:
            connection.request(method, path, headers=headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def fetch(self, url, headers=None, method="GET", data=None):
        """Follows a whole URL, as a browser does a link: through the front, if it says https."""
        target = urllib.parse.urlsplit(url)
        if target.scheme == "https":
            context = ssl.create_default_context(cafile=str(self.front.certificate))
            connection = http.client.HTTPSConnection(target.hostname, target.port, timeout=60, context=context)
        else:
            connection = http.client.HTTPConnection(target.hostname, target.port, timeout=60)
        try:
            path = target.path + (f"?{target.query}" if target.query else "")
            connection.request(method, path, body=data, headers=headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def seen(self, bucket, key, data, **headers):
        """A stranger reads a public object: these bytes and headers, a range of it, HEAD, 304; nothing of S3's inside."""
        path = public_path(bucket, key)
        answer = self.anonymous(path)
        assert answer.status == 200, f"a stranger's GET of {path} answered {answer.status}: {answer.body[:300]}"
        assert answer.body == data, f"a stranger's GET of {path} gave other bytes"
        wanted = {name.replace("_", "-"): value for name, value in headers.items()}
        if not OTHER:
            wanted |= PUBLIC_HEADERS
            inner = [name for name in answer.headers if name.startswith("x-amz-") and name != "x-amz-request-id"]
            assert not inner and "set-cookie" not in answer.headers, f"a stranger sees {inner}"
            assert "default-src 'none'" in answer.headers.get("content-security-policy", ""), answer.headers
        for name, value in wanted.items():
            assert answer.headers.get(name) == value, f"{path}: {name} is {answer.headers.get(name)!r}, not {value!r}"
        head = self.anonymous(path, "HEAD")
        assert head.status == 200 and head.body == b"" and int(head.headers["content-length"]) == len(data)
        assert head.headers["etag"] == answer.headers["etag"]
        again = self.anonymous(path, headers={"If-None-Match": answer.headers["etag"]})
        assert again.status == 304 and not again.body, f"with its own ETag: {again.status}"
        if len(data) > 10:
            part = self.anonymous(path, headers={"Range": "bytes=3-9"})
            assert part.status == 206 and part.body == data[3:10], f"a range: {part.status}"
            assert part.headers["content-range"] == f"bytes 3-9/{len(data)}"

    def unseen(self, bucket, key=""):
        """A stranger may not read it, and learns nothing from the answer."""
        answer = self.anonymous(public_path(bucket, key))
        assert answer.status == 403, f"a stranger's GET of {bucket}/{key} answered {answer.status}"
        assert b"ListBucketResult" not in answer.body

    def unlisted(self, bucket):
        """The request by which Mastodon finds out whether strangers can list a bucket, and its older forms."""
        for query in ("?max-keys=1&x-random=f00", "?list-type=2", "", "?versions", "?uploads", "?acl", "?location"):
            for path in (f"/{bucket}", f"/{bucket}/"):
                answer = self.anonymous(path + query)
                assert answer.status == 403, f"a stranger's GET of {path}{query} answered {answer.status}"
                assert b"ListBucketResult" not in answer.body and b"<Key>" not in answer.body


@contextlib.contextmanager
def resolved_here():
    """Names under `DOMAIN` are this machine, for what runs in this process."""
    ask = socket.getaddrinfo

    def answer(host, *arguments, **named):
        ours = isinstance(host, str) and (host == DOMAIN or host.endswith(f".{DOMAIN}"))
        return ask("127.0.0.1" if ours else host, *arguments, **named)

    socket.getaddrinfo = answer
    try:
        yield
    finally:
        socket.getaddrinfo = ask


def public_path(bucket, key):
    return f"/{bucket}/{urllib.parse.quote(key, safe='/~-._')}"


def free(stage):
    """Removes what a run left."""
    shutil.rmtree(stage.dir, ignore_errors=True)


def main(name, body, tls=True):
    """Runs `body(run, stage)` and closes; the folder of a run that failed stays."""
    run = checks.Checks()
    with Stage(name, tls) as stage:
        body(run, stage)
        run.run(f"{name}: the store afterwards", stage.sound)
    if not run.failed:
        free(stage)
    run.close()


def foreign(run, stage, what, command, env, seconds_max=300):
    """A test in another language: its lines go through, with its own closing line; here counts only that it came to it."""

    def check():
        closed = False
        with subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, cwd=stage.home
        ) as child:
            limit = threading.Timer(seconds_max, child.kill)
            limit.start()
            for line in child.stdout:
                sys.stdout.write(line)
                closed = closed or " passed, " in line
            code = child.wait()
            limit.cancel()
        assert closed, f"it ended with {code} before its closing line"
        assert code in (0, 1), f"it ended with {code}"

    return run.run(what, check)


__all__ = ["DOMAIN", "ROOT", "TARGET", "Stage", "checks", "foreign", "main", "public_path", "resolved_here"]
