"""What a newcomer sees: the printed commands put a picture in and out, pasted as they are into a fresh shell; later starts
keep the secret to themselves; keys from the environment; a clean stop, and an immediate one at the second signal."""

import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

import checks
from server import ACCESS_KEY, BUCKET, ROOT, SECRET_KEY, TARGET, Server, environment, moraine, scratch

PICTURE = ROOT / "tools" / "picture.png"


class FirstStart:
    def __init__(self):
        self.dir = scratch("first-start")
        self.server = Server(self.dir / "data", key=None)

    def generated_key(self):
        self.server.start()
        printed = self.server.printed()
        self.key = tuple(re.search(rf"{name} key +(\S+)", printed)[1] for name in ("Access", "Secret"))
        assert self.server.endpoint in printed, printed
        assert "store.key" in printed, printed
        log = self.server.log_path.read_text()
        assert self.key[1] not in log, "the secret is in the log"

    def printed_commands(self):
        printed = self.server.printed()
        commands = [line.strip() for line in printed.splitlines() if " aws --" in line]
        assert len(commands) == 3, printed
        shell = self.dir / "shell"
        (shell / "tools").mkdir(parents=True)
        for name in ("picture.png", "tools/picture.png"):
            shutil.copy(PICTURE, shell / name)
        fresh = {"PATH": f"{TARGET / 'venv' / 'bin'}:/usr/bin:/bin", "HOME": str(shell)}
        output = ""
        for command in commands:
            done = subprocess.run(
                ["bash", "-c", command], cwd=shell, env=fresh, capture_output=True, text=True
            )
            assert done.returncode == 0, f"{command}\n{done.stderr}"
            output += done.stdout
        assert "picture.png" in output, output
        assert (shell / "picture-again.png").read_bytes() == PICTURE.read_bytes(), "another picture came out"

    def later_start(self):
        self.server.stop()
        self.server.start()
        printed = self.server.printed()
        assert self.server.endpoint in printed, printed
        assert self.key[1] not in printed and "ecret" not in printed, printed
        self.server.key = self.key
        names = [item["Key"] for item in self.server.boto3().list_objects_v2(Bucket=BUCKET)["Contents"]]
        assert names == ["picture.png"], names

    def health_and_metrics(self):
        for page in ("healthz", "readyz", "metrics"):
            with urllib.request.urlopen(f"{self.server.admin}/{page}") as answer:
                assert answer.status == 200, page
        assert self.server.log_bytes() >= 0

    def added_key(self):
        self.server.stop()
        self.server.key = (ACCESS_KEY, SECRET_KEY)
        self.server.start()
        assert ACCESS_KEY in self.server.printed() and SECRET_KEY not in self.server.printed()
        assert self.server.boto3().list_objects_v2(Bucket=BUCKET)["KeyCount"] == 1

    def chosen_secret(self):
        """A first key that the operator chose: its secret is nowhere in what is printed or logged."""
        server = Server(self.dir / "chosen").start()
        said = server.printed() + server.log_path.read_text()
        assert ACCESS_KEY in said and SECRET_KEY not in said, said
        server.stop()

    def empty_settings(self):
        """What is set to nothing, as a file of settings may leave it, is not set."""
        names = "ADMIN_URL CONFIG CONNECTIONS CONNECTIONS_PER_ADDRESS DOMAIN IO LOG LOG_FORMAT MEMORY PROXIES REGION"
        empty = {f"MORAINE_{name}": "" for name in names.split()}
        server = Server(self.dir / "empty", variables=empty).start()
        assert server.boto3().get_bucket_location(Bucket=BUCKET)["ResponseMetadata"]["HTTPStatusCode"] == 200
        server.stop()

    def second_signal(self):
        """A body that never ends holds the clean stop up; the second signal does not wait for it."""
        url = self.server.boto3().generate_presigned_url(
            "put_object", Params={"Bucket": BUCKET, "Key": "slow"}, ExpiresIn=300
        )
        host, port = self.server.endpoint.removeprefix("http://").split(":")
        target = url.removeprefix(self.server.endpoint)
        with socket.create_connection((host, int(port))) as connection:
            head = f"PUT {target} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 1000000\r\n\r\n"
            connection.sendall(head.encode() + bytes(1000))
            time.sleep(0.5)
            self.server.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            assert self.server.process.poll() is None, "the first signal did not wait for the request"
            self.server.process.send_signal(signal.SIGINT)
            code = self.server.process.wait(timeout=5)
            assert code == 130, f"ended with {code}"

    def forced_driver(self, how, driver):
        """`--io` is obeyed: the metrics name the driver, and an object goes in and out through it."""
        server = Server(self.dir / how, arguments=["--io", how])
        try:
            server.start()
        except AssertionError as why:
            if how == "uring" and "io_uring" in str(why):
                raise checks.Skip("io_uring is forbidden here, and the server says so") from None
            raise
        body = PICTURE.read_bytes()
        s3 = server.boto3()
        s3.put_object(Bucket=BUCKET, Key="picture.png", Body=body)
        assert s3.get_object(Bucket=BUCKET, Key="picture.png")["Body"].read() == body
        s3.close()
        with urllib.request.urlopen(f"{server.admin}/metrics") as answer:
            assert f'moraine_io_driver{{driver="{driver}"}} 1' in answer.read().decode()
        server.stop()

    def default_folder(self):
        """Without arguments: `serve`, in ./moraine-data."""
        there = self.dir / "elsewhere"
        there.mkdir()
        (self.dir / "moraine.toml").write_text('listen = "127.0.0.1:0"\nadmin_listen = "127.0.0.1:0"\n')
        from server import BINARY

        process = subprocess.Popen(
            [BINARY],
            cwd=there,
            env=environment(MORAINE_CONFIG=self.dir / "moraine.toml"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for line in process.stdout:
            if "picture-again.png" in line:
                break
        assert (there / "moraine-data" / "superblock").exists()
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(timeout=30) == 0


def refused(what, data, arguments=(), **chosen):
    """`serve` must end at once with exit code 2 and one sentence that holds `what`."""
    done = moraine("serve", "--data", data, *arguments, env=environment(**chosen))
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2, f"ended with {done.returncode}: {done.stderr}"
    assert lines and lines[-1].startswith("moraine: ") and what in lines[-1], done.stderr
    return lines[-1].removeprefix("moraine: ")


def main():
    run = checks.Checks()
    test = FirstStart()
    fresh = test.dir / "fresh"
    (test.dir / "bad.toml").write_text('lissten = "127.0.0.1:1"\n')
    try:
        run.run("the first start makes and prints a key", test.generated_key)
        run.run("the three printed commands work as they are", test.printed_commands)
        run.run("a later start prints no secret", test.later_start)
        run.run("health and metrics", test.health_and_metrics)
        run.run("a key of the environment is added", test.added_key)
        run.run("a chosen secret is not printed", test.chosen_secret)
        run.run("empty variables", test.empty_settings)
        run.run("the second signal ends at once", test.second_signal)
        run.run("--io blocking", test.forced_driver, "blocking", "blocking")
        run.run("--io uring", test.forced_driver, "uring", "io_uring")
        run.run("without arguments it serves ./moraine-data", test.default_folder)
        run.run(
            "a known key with another secret",
            lambda: refused("another secret", test.dir / "data", MORAINE_ACCESS_KEY=ACCESS_KEY, MORAINE_SECRET_KEY="x" * 20),
        )
        run.run("half a key", lambda: refused("both", fresh, MORAINE_ACCESS_KEY="operator"))
        run.run("a bad address", lambda: refused("listen", fresh, ["--listen", "nowhere"]))
        run.run("no number", lambda: refused("connections is", fresh, MORAINE_CONNECTIONS="many"))
        run.run("a region that nobody can sign for", lambda: refused("region is", fresh, ["--region", "EU"]))
        run.run(
            "an unknown key in the configuration",
            lambda: refused("lissten", fresh, ["--config", test.dir / "bad.toml"]),
        )
        run.run("nothing was created meanwhile", lambda: exists_not(fresh))
    finally:
        if test.server.process and test.server.process.poll() is None:
            test.server.kill()
    run.close()


def exists_not(path):
    assert not path.exists(), f"{path} was created"


if __name__ == "__main__":
    main()
