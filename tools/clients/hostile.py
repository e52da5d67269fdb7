"""Hostile input against the real server: every case is refused as S3 refuses it, stores nothing, and leaves its
connection clean or closed; memory and descriptors stay flat; and a crowd of connections that go nowhere does not stop
a client who works."""

import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

import checks
from hostile_cases import KEY, cases
from server import BUCKET, Server, scratch
from wire import Connection, Signer

ROUNDS = 100
#: Rounds that are not counted: the first ones fill pools and caches.
WARM_UP = 3
#: What private memory may grow by over all rounds: the allocator's own ups and downs. Were 2 KiB of each case kept (a head,
#: a part of a connection's state), that would be 24 MiB; the largest body of each round, 300 MiB.
GROWTH_BYTES_MAX = 16 << 20
#: Descriptors that may come and go by themselves: a segment, a checkpoint of the index.
DESCRIPTORS_MORE_MAX = 4
#: How long the server may take to let go of the last connections: it reads on for 5 s after a refusal.
LET_GO_SECONDS_MAX = 15
CROWD = 500
#: More than the server has places for.
LARGE_CROWD = 1300
#: The client is measured alone and beside the crowd by turns, so that whatever else the machine does falls on both; the
#: medians are compared, which one disturbed window does not move. A machine that is busy otherwise has windows that differ
#: by more than the bar: if the first turns miss it, further ones are added to them, and all of them count.
TURNS_MIN = 5
TURNS_MAX = 20
MEASURE_SECONDS = 2
#: The share of its usual speed that the client keeps. On an idle machine it keeps nearly all. The rest is for what the crowd
#: and its hundreds of answers and new connections a second take of the processors, and for chance; a client who waits for
#: places, memory or turns that the crowd holds falls far below.
SPEED_MIN = 0.7
WITNESS = b"what was here before"
LARGE_BYTES = 8 << 20


class Hostile:
    def __init__(self):
        self.server = Server(scratch("hostile") / "data").start()
        host, port = self.server.endpoint.removeprefix("http://").split(":")
        self.address = (host, int(port))
        self.signer = Signer(f"{host}:{port}", self.server.key)
        self.s3 = self.server.boto3()

    def prepare(self):
        self.s3.put_object(Bucket=BUCKET, Key="witness", Body=WITNESS)
        self.s3.put_object(Bucket=BUCKET, Key="large", Body=bytes(LARGE_BYTES))
        upload = self.s3.create_multipart_upload(Bucket=BUCKET, Key=KEY.rpartition("/")[2])["UploadId"]
        self.s3.upload_part(Bucket=BUCKET, Key=KEY.rpartition("/")[2], UploadId=upload, PartNumber=1, Body=b"part")
        self.upload = upload

    def every_case(self):
        """One round, with a look at the bucket after each case."""
        wrong = []
        all_cases = cases(self.signer, self.upload)
        for case in all_cases:
            try:
                self.play(case)
                self.nothing_changed()
            except (AssertionError, OSError) as why:
                wrong.append(f"{case.name}: {why}")
        assert not wrong, "\n    ".join([f"{len(wrong)} of {len(all_cases)} cases", *wrong])
        return f"{len(all_cases)} cases"

    def play(self, case):
        with Connection(self.address) as connection:
            connection.send(case.data, last=case.half)
            answer = connection.answer()
            got = (answer.status, answer.code)
            assert got in case.expected, f"{got}, not one of {sorted(case.expected)}"
            if answer.closes() or case.half or not answer.code:
                connection.send(b"", last=True)
                rest = connection.rest()
                assert rest == b"", f"more comes: {rest[:80]!r}"
            else:
                connection.send(self.signer.request("GET", "/media/witness"))
                again = connection.answer()
                assert again.body == WITNESS, f"the connection is not clean: {again.status} {again.code}"

    def nothing_changed(self):
        keys = [item["Key"] for item in self.s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
        stored = set(keys) - {"large", "witness"}
        for key in stored:
            self.s3.delete_object(Bucket=BUCKET, Key=key)
        assert not stored and len(keys) == 2, f"the bucket held {keys}"

    def rounds_are_flat(self):
        for _ in range(WARM_UP):
            self.round()
        memory, descriptors = self.settled()
        started = time.monotonic()
        for _ in range(ROUNDS):
            count = self.round()
        seconds = time.monotonic() - started
        self.nothing_changed()
        memory_after, descriptors_after = self.settled(descriptors)
        assert memory_after - memory <= GROWTH_BYTES_MAX, f"memory grew from {memory} to {memory_after} bytes"
        more = descriptors_after - descriptors
        assert more <= DESCRIPTORS_MORE_MAX, f"descriptors grew from {descriptors} to {descriptors_after}"
        return (
            f"{ROUNDS} rounds of {count} in {seconds:.1f} s; private memory {checks.mib(memory)} before, "
            f"{checks.mib(memory_after)} after; descriptors {descriptors} and {descriptors_after}"
        )

    def round(self):
        all_cases = cases(self.signer, self.upload)
        for case in all_cases:
            self.play(case)
        return len(all_cases)

    def settled(self, descriptors=None):
        """Private memory and descriptors, once connections are let go of."""
        deadline = time.monotonic() + LET_GO_SECONDS_MAX
        while time.monotonic() < deadline and self.server.metrics()["moraine_http_connections"] > 1:
            time.sleep(0.1)
        process = pathlib.Path(f"/proc/{self.server.process.pid}")
        while True:
            now = len(list((process / "fd").iterdir()))
            if descriptors is None or now <= descriptors or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        kib = re.search(r"^RssAnon:\s+(\d+) kB$", (process / "status").read_text(), re.M)[1]
        return int(kib) << 10, now

    def speed(self):
        """Requests a second of one client that writes and reads."""
        started, count = time.monotonic(), 0
        while time.monotonic() - started < MEASURE_SECONDS:
            body = count.to_bytes(8, "big") * 1024
            self.s3.put_object(Bucket=BUCKET, Key="worker", Body=body)
            assert self.s3.get_object(Bucket=BUCKET, Key="worker")["Body"].read() == body
            count += 2
        self.s3.delete_object(Bucket=BUCKET, Key="worker")
        return count / (time.monotonic() - started)

    def crowd(self, connections):
        """The speed of a client beside the crowd and without it, by turns."""
        alone, beside, opened, shares = [], [], 0, []
        while len(alone) < TURNS_MIN or (share(beside, alone) < SPEED_MIN and len(alone) < TURNS_MAX):
            self.settled()
            alone.append(self.speed())
            with Crowd(self.address, self.server.key, connections) as crowd:
                opened = max(opened, self.server.metrics()["moraine_http_connections"])
                started, spent = time.monotonic(), crowd.processor_seconds()
                beside.append(self.speed())
                shares.append((crowd.processor_seconds() - spent) / (time.monotonic() - started))
        self.nothing_changed()
        kept = share(beside, alone)
        figures = (
            f"{statistics.median(beside):.0f} requests/s beside a crowd of {connections}, "
            f"{statistics.median(alone):.0f} without it ({kept:.0%}); "
            f"beside {rounded(beside)}, without {rounded(alone)}; the crowd's own process took "
            f"{statistics.median(shares):.0%} of a core"
        )
        assert kept >= SPEED_MIN, figures
        made_room = self.server.metrics()["moraine_http_made_room_connections_total"]
        return (
            f"{figures}; {opened:.0f} connections open, {made_room:.0f} made room, "
            f"at most {checks.mib(self.server.memory_peak())} of memory"
        )

    def still_well(self):
        """After all that: the metrics, a clean stop."""
        memory, descriptors = self.settled()
        self.server.stop()
        log = self.server.log_of_this_start()
        assert "panicked" not in log, "a panic is in the log"
        return f"private memory {checks.mib(memory)}, {descriptors} descriptors at the end"


class Crowd:
    """The crowd in its own process, while the context lasts."""

    def __init__(self, address, key, connections):
        here = pathlib.Path(__file__).parent
        command = [sys.executable, here / "crowd.py", *map(str, address), *key, str(connections), "/media/large"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        if self.process.stdout.readline() != "ready\n":
            self.__exit__()
            raise AssertionError("the crowd did not come")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def processor_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share(beside, alone):
    return statistics.median(beside) / statistics.median(alone)


def rounded(figures):
    return " ".join(f"{figure:.0f}" for figure in figures)


def main():
    run = checks.Checks()
    hostile = Hostile()
    run.run("objects to begin with", hostile.prepare)
    run.run("every case is refused and changes nothing", hostile.every_case)
    run.run("memory and descriptors stay flat", hostile.rounds_are_flat)
    run.run(f"a client beside {CROWD} connections that go nowhere", hostile.crowd, CROWD)
    run.run(f"a client beside {LARGE_CROWD} connections that go nowhere", hostile.crowd, LARGE_CROWD)
    run.run("a clean end", hostile.still_well)
    run.close()


if __name__ == "__main__":
    main()
