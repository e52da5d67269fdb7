"""The server under test: the release binary on free ports, with a data directory of its own."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

from small_disk import detach_below

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("MORAINE_TARGET", ROOT / "target"))
BINARY = pathlib.Path(os.environ.get("MORAINE_BINARY", TARGET / "release" / "moraine"))
READER = ROOT / "tools" / "reader" / "moraine_reader.py"
BUCKET = "media"
ACCESS_KEY = "client-tests"
SECRET_KEY = "a-secret-for-tests-only"
START_SECONDS_MAX = 120


def scratch(name):
    """An empty folder for one script; what an earlier run left there is unmounted and removed."""
    path = TARGET / "client-tests" / name
    detach_below(path)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def free_ports(count):
    """Ports that nobody listens on at the moment."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def environment(**more):
    """Our own environment without what would steer the server or a client by accident."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MORAINE_", "AWS_"))
    }
    return kept | {name: str(value) for name, value in more.items()}


def moraine(*arguments, **options):
    """Runs a subcommand to its end; its output is captured."""
    options.setdefault("env", environment())
    return subprocess.run(
        [BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=600, **options
    )


class Server:
    """A running `moraine serve`. Its log goes to `LOG`, what it prints to `printed`."""

    def __init__(self, data, key=(ACCESS_KEY, SECRET_KEY), arguments=(), variables=None):
        self.data = pathlib.Path(data)
        self.log_path = self.data.parent / (self.data.name + ".log")
        self.out_path = self.data.parent / (self.data.name + ".out")
        self.key = key
        self.arguments = list(map(str, arguments))
        self.variables = variables or {}
        self.process = None
        self.start_seconds = 0.0

    def start(self):
        """Starts it and waits until it is ready; an error says what it logged."""
        port, admin_port = free_ports(2)
        self.endpoint = f"http://127.0.0.1:{port}"
        self.admin = f"http://127.0.0.1:{admin_port}"
        chosen = {}
        if self.key:
            chosen = {"MORAINE_ACCESS_KEY": self.key[0], "MORAINE_SECRET_KEY": self.key[1]}
        command = [BINARY, "serve", "--data", self.data]
        command += ["--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{admin_port}"]
        started = time.monotonic()
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self.log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log, open(self.out_path, "wb") as out:
            self.process = subprocess.Popen(
                self.command([*map(str, command), *self.arguments]),
                stdout=out,
                stderr=log,
                env=environment(**chosen, **self.variables),
            )
        while not self.is_ready():
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended at start ({self.process.returncode}): {self.log_tail()}")
            if time.monotonic() - started > START_SECONDS_MAX:
                self.process.kill()
                raise AssertionError(f"the server was not ready in {START_SECONDS_MAX} s: {self.log_tail()}")
            time.sleep(0.005)
        self.start_seconds = time.monotonic() - started
        return self

    def command(self, arguments):
        """The command that starts it; a test may put another before it, one that becomes it."""
        return arguments

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"{self.admin}/readyz", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop(self):
        """SIGTERM; it must end cleanly."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        assert code == 0, f"the server ended with {code} after SIGTERM: {self.log_tail()}"

    def kill(self):
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def printed(self):
        return self.out_path.read_text()

    def log_of_this_start(self):
        with open(self.log_path, "rb") as log:
            log.seek(self.log_start)
            return log.read().decode(errors="replace")

    def log_tail(self, lines=10, width=200):
        """The end of the log; of each line, which may carry a long name of a client, the beginning."""
        end = self.log_path.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join(line[:width] for line in end)

    def memory_peak(self):
        """The most memory that the process ever held, in bytes (VmHWM)."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s+(\d+) kB$", status, re.M)[1]) << 10

    def metrics(self):
        """The metrics without labels, by name."""
        with urllib.request.urlopen(f"{self.admin}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def log_bytes(self):
        """Bytes written to the log since the start, batches and padding included."""
        return int(self.metrics()["moraine_log_bytes_total"])

    def boto3(self, **options):
        """A boto3 client. Failures are the test's to see: it does not retry unless told."""
        import boto3
        from botocore.config import Config

        access_key, secret_key = self.key
        options.setdefault("retries", {"total_max_attempts": 1})
        options.setdefault("read_timeout", 120)
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            region_name="us-east-1",
            config=Config(max_pool_connections=16, **options),
        )

    def aws(self, *arguments, **options):
        """Runs the AWS command line to its end; it must succeed."""
        done = subprocess.run(
            self.aws_command(*arguments),
            capture_output=True,
            text=True,
            timeout=1800,
            env=self.aws_environment(),
            **options,
        )
        assert done.returncode == 0, f"aws {arguments[:2]} ended with {done.returncode}: {done.stderr[-2000:]}"
        return done.stdout

    def aws_command(self, *arguments):
        aws = TARGET / "venv" / "bin" / "aws"
        return [str(aws), "--endpoint-url", self.endpoint, *map(str, arguments)]

    def aws_environment(self):
        access_key, secret_key = self.key
        return environment(
            AWS_ACCESS_KEY_ID=access_key,
            AWS_SECRET_ACCESS_KEY=secret_key,
            AWS_DEFAULT_REGION="us-east-1",
            AWS_CONFIG_FILE="/dev/null",
            AWS_SHARED_CREDENTIALS_FILE="/dev/null",
            AWS_EC2_METADATA_DISABLED="true",
        )


def fsck(data):
    """`moraine fsck --json`: its exit code and its report."""
    done = moraine("fsck", "--data", data, "--json")
    try:
        return done.returncode, json.loads(done.stdout)
    except ValueError:
        raise AssertionError(f"fsck ended with {done.returncode} and no report: {done.stderr}") from None
