"""File descriptors that run out: the least that the server starts with, and what it says below that; then a crowd of more
connections than there are descriptors. It cannot take those that the store needs, since connections get half of all: a
client beside it is served, over the end of a segment too, and the processor stays idle."""

import os
import random
import socket
import time

from botocore.exceptions import BotoCoreError, ClientError

import checks
from server import BUCKET, Server, fsck, scratch

#: What the documentation says is the least, and limits below it.
LEAST, TOO_FEW = 512, (8, 64, 511)
#: Half of the least is for the listeners; of it 130 for connections that are refused, the admin's, and those being looked at.
PLACES = LEAST // 2 - 130
#: More than there are descriptors, half of them in the middle of a head.
CROWD = 700
#: What this store holds open itself, at the most.
STORE_MAX = 60
#: Processor seconds that a server may use in a second of crowd in which nothing can be accepted: it tries ten times.
IDLE_SHARE_MAX = 0.2
WATCH_SECONDS = 3
BODY_BYTES = 300_000
#: More than a segment: the next one, and the checkpoints of the indexes, must be opened while no descriptor is left.
BESIDE, BESIDE_BYTES = 70, 4 << 20


class Descriptors:
    def __init__(self):
        self.dir = scratch("descriptors")
        self.objects = {f"before/{n}": random.Random(n).randbytes(BODY_BYTES) for n in range(8)}

    def too_few(self):
        """Below the least it ends at once with a sentence."""
        for limit in TOO_FEW:
            server = Limited(self.dir / "too-few", limit)
            try:
                server.start()
            except AssertionError:
                code, last = server.process.poll(), server.log_tail().splitlines()
                assert code == 2 and last[-1].startswith("moraine: "), f"{limit}: ended with {code}: {last[-3:]}"
            else:
                server.kill()
                raise AssertionError(f"it starts with {limit}")
        assert f"at least {LEAST}" in last[-1], last[-1]
        return last[-1].removeprefix("moraine: ")

    def crowded(self):
        """A client beside the crowd is served; no spin, no poison, nothing lost, and new connections once the crowd goes."""
        server = Limited(self.dir / "data", LEAST).start()
        s3 = server.boto3(connect_timeout=5, read_timeout=20)
        try:
            for key, body in self.objects.items():
                s3.put_object(Bucket=BUCKET, Key=key, Body=body)
            crowd = connections(server, CROWD)
            used = cpu_seconds(server)
            time.sleep(WATCH_SECONDS)
            share = (cpu_seconds(server) - used) / WATCH_SECONDS
            assert PLACES < open_files(server) <= LEAST // 2 + STORE_MAX, f"{open_files(server)} of {LEAST} descriptors are used"
            assert share <= IDLE_SHARE_MAX, f"it spins: {share:.0%} of a processor"
            answered = self.beside(s3)
            most = open_files(server)
            assert most <= LEAST // 2 + STORE_MAX, f"{most} of {LEAST} descriptors are used"
            for connection in crowd:
                connection.close()
            again = self.served_again(server, s3)
            server.stop()
        finally:
            if server.process.poll() is None:
                server.kill()
        code, report = fsck(server.data)
        assert code == 0, f"fsck ended with {code}: {report['findings'][:3]}"
        return f"{most} of {LEAST}, {share:.0%} of a processor; beside the crowd {answered} answered; again after {again:.1f} s"

    def beside(self, s3):
        """A client, over the end of a segment: it is answered although the crowd is there."""
        for number in range(BESIDE):
            key, body = f"beside/{number}", random.Random(number).randbytes(BESIDE_BYTES)
            s3.put_object(Bucket=BUCKET, Key=key, Body=body)
            self.objects[key] = body
        return BESIDE

    def served_again(self, server, s3):
        started = time.monotonic()
        while True:
            try:
                s3.put_object(Bucket=BUCKET, Key="after", Body=b"after" * 50_000)
                break
            except (ClientError, BotoCoreError):
                assert time.monotonic() - started < 30, "no service although the crowd is gone"
                time.sleep(0.1)
        for key, body in self.objects.items():
            assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == body, f"{key} differs"
        assert server.metrics()["moraine_read_only"] == 0, "the store is read-only"
        return time.monotonic() - started


class Limited(Server):
    """A server whose process may have so many descriptors open, soft and hard."""

    def __init__(self, data, limit):
        super().__init__(data)
        self.limit = limit

    def command(self, arguments):
        return ["prlimit", f"--nofile={self.limit}:{self.limit}", *arguments]


def connections(server, count):
    """Connections that say nothing or half a head, as many as the system makes: those that are not accepted wait in the
    listener's queue."""
    host, port = server.endpoint.removeprefix("http://").split(":")
    made = []
    for number in range(count):
        made.append(socket.create_connection((host, int(port)), timeout=5))
        if number % 2:
            made[-1].sendall(b"GET /media/half HTTP/1.1\r\nHost: ")
    return made


def cpu_seconds(server):
    with open(f"/proc/{server.process.pid}/stat") as stat:
        fields = stat.read().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_files(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def main():
    run = checks.Checks()
    test = Descriptors()
    run.run("fewer descriptors than it needs", test.too_few)
    run.run("a crowd of more connections than descriptors", test.crowded)
    run.close()


if __name__ == "__main__":
    main()
