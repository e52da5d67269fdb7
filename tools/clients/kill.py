"""kill -9 at random moments under load, against an expected state.

Each round: the server starts, threads put, overwrite, delete, complete multipart uploads and read, each on keys of its
own; at a random moment the server is killed while changes are in flight. It starts again, and every key must hold what
was acknowledged last, or, if a change was in flight, one of the two; listings must agree; nothing may be torn. `fsck`
runs on the stopped files after every kill (after some of them, with --fsck-every).

Choices of what to do come from the seed; moments and interleavings cannot.
"""

import argparse
import collections
import hashlib
import random
import re
import shutil
import threading
import time

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, IncompleteReadError

import checks
from server import BUCKET, Server, fsck, scratch

THREADS = 6
KEYS_PER_THREAD = 24
PART = 5 << 20
#: A start may take this long, plus the time to read the tail at a modest rate.
START_SECONDS, TAIL_BYTES_PER_SECOND = 3.0, 50 << 20
#: What the client sees when the server dies under it.
DIED = (HTTPClientError, IncompleteReadError, ConnectionError)


def content(thread_random, kind):
    """New bytes of a size that the kind tells; `known` ones come again and again from a small set."""
    match kind:
        case "small":
            return thread_random.randbytes(thread_random.randint(0, 40_000))
        case "large":
            return thread_random.randbytes(thread_random.randint(1 << 20, 3 << 20))
        case "known":
            return random.Random(thread_random.randint(0, 9)).randbytes(150_000)
        case "parts":
            return thread_random.randbytes(PART + thread_random.randint(1, 1 << 20))


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Writer:
    """One thread's load, and what it knows: per key the acknowledged digest and, while a change is in flight, the other."""

    def __init__(self, number, seed):
        self.random = random.Random(f"{seed} {number}")
        self.keys = [f"thread-{number}/{key:02d}" for key in range(KEYS_PER_THREAD)]
        self.acknowledged = dict.fromkeys(self.keys)
        self.in_flight = {}
        self.counts = collections.Counter()
        self.wrong = self.lost_at = None

    def start(self, s3, stop):
        """A fresh thread with the knowledge of the rounds before."""
        self.s3, self.stop, self.lost_at = s3, stop, None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def join(self, killed_at):
        self.thread.join(60)
        assert not self.thread.is_alive(), "a request did not end after the kill"
        assert self.wrong is None, self.wrong
        assert self.lost_at is None or self.lost_at >= killed_at, "a connection broke before the kill"

    def run(self):
        try:
            while not self.stop.is_set():
                self.one()
        except DIED:
            self.lost_at = time.monotonic()
        except Exception as why:
            self.wrong = f"{type(why).__name__}: {why}"

    def one(self):
        key = self.random.choice(self.keys)
        kinds = ["small", "large", "known", "parts", "delete", "read"]
        kind = self.random.choices(kinds, [40, 6, 12, 3, 15, 24])[0]
        if kind == "read":
            found = read(self.s3, key)
            assert found == self.acknowledged[key], f"{key} changed under a reader"
        elif kind == "delete":
            self.change(key, None, lambda: self.s3.delete_object(Bucket=BUCKET, Key=key))
        else:
            data = content(self.random, kind)
            self.change(key, digest(data), lambda: self.put(key, data, kind))
        self.counts[kind] += 1

    def change(self, key, becomes, request):
        self.in_flight[key] = becomes
        request()
        self.acknowledged[key] = becomes
        del self.in_flight[key]

    def put(self, key, data, kind):
        if kind != "parts":
            self.s3.put_object(Bucket=BUCKET, Key=key, Body=data)
            return
        upload = self.s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
        parts = []
        for number, start in enumerate(range(0, len(data), PART), 1):
            answer = self.s3.upload_part(
                Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=number, Body=data[start : start + PART]
            )
            parts.append({"ETag": answer["ETag"], "PartNumber": number})
        self.s3.complete_multipart_upload(
            Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
        )

    def settle(self, key, found):
        """After a restart: what is there must be allowed, and is what counts from now on."""
        allowed = [self.acknowledged[key]]
        if key in self.in_flight:
            allowed.append(self.in_flight.pop(key))
        assert found in allowed, (
            f"{key} holds {found or 'nothing'}; acknowledged was {allowed[0] or 'nothing'}"
            + (f", in flight {allowed[1] or 'a delete'}" if len(allowed) > 1 else "")
        )
        self.acknowledged[key] = found


def read(s3, key):
    """The digest of what a key holds, None if there is no such key."""
    try:
        return digest(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise


class Kill:
    def __init__(self, seed, fsck_every):
        self.dir = scratch("kill")
        self.server = Server(self.dir / "data")
        self.random = random.Random(seed)
        self.writers = [Writer(number, seed) for number in range(THREADS)]
        self.fsck_every = fsck_every
        self.killed_in_flight = []
        self.starts = []

    def begin(self):
        self.server.start()
        self.load_and_kill()
        return self.figures()

    def round(self, number):
        if number % self.fsck_every == 0:
            self.fsck()
        self.server.start()
        tail = self.tail_bytes()
        took, allowed = self.server.start_seconds, START_SECONDS + tail / TAIL_BYTES_PER_SECOND
        self.starts.append((took, tail, self.store_bytes()))
        assert took < allowed, f"the start took {took:.2f} s for a tail of {checks.mib(tail)}"
        self.verify()
        self.load_and_kill()
        return self.figures()

    def end(self):
        self.server.start()
        self.verify()
        self.server.stop()
        return self.fsck()

    def load_and_kill(self):
        """Load for a random while, then the kill, while half of the threads wait for a change."""
        stop = threading.Event()
        s3 = self.server.boto3()
        for writer in self.writers:
            writer.start(s3, stop)
        time.sleep(self.random.uniform(0.3, 2.5))
        waited = time.monotonic()
        while sum(len(writer.in_flight) for writer in self.writers) < THREADS // 2:
            assert time.monotonic() - waited < 30, "the load makes no changes"
        killed_at = time.monotonic()
        self.server.kill()
        stop.set()
        for writer in self.writers:
            writer.join(killed_at)
        # What is still in flight now was neither acknowledged nor refused: the kill hit it.
        self.killed_in_flight.append(sum(len(writer.in_flight) for writer in self.writers))

    def verify(self):
        s3 = self.server.boto3()
        names = set()
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        for page in pages:
            names.update(item["Key"] for item in page.get("Contents", []))
        there = set()
        for writer in self.writers:
            for key in writer.keys:
                found = read(s3, key)
                writer.settle(key, found)
                if found:
                    there.add(key)
        assert names == there, f"listed but not readable, or the reverse: {sorted(names ^ there)[:5]}"

    def fsck(self):
        code, report = fsck(self.server.data)
        assert code == 0 and report["clean"], f"fsck ended with {code}: {report['findings'][:3]}"
        return f"fsck: {report['records']} records, {checks.mib(report['bytes'])}, clean"

    def store_bytes(self):
        return sum(path.stat().st_blocks * 512 for path in self.server.data.glob("log/*/*.seg"))

    def tail_bytes(self):
        """What the start had to read because the kill left it unsealed, as the server logs it."""
        found = re.search(r"the log was not closed.*\bend=(\d+)", self.server.log_of_this_start())
        assert found, "the server did not notice that it had been killed"
        return int(found[1])

    def figures(self):
        text = f"{self.killed_in_flight[-1]} changes in flight at the kill"
        if self.starts:
            took, tail, store = self.starts[-1]
            text += f"; start {took:.2f} s, store {checks.mib(store)}, tail {checks.mib(tail)}"
        return text

    def start_times(self):
        """Starts of a large store must not take longer than those of a small one, for tails of the same size."""
        few = max(1, len(self.starts) // 4)
        early, late = self.starts[:few], self.starts[-few:]
        (early_took, early_tail), (late_took, late_tail) = (
            [sum(start[column] for start in starts) / few for column in (0, 1)] for starts in (early, late)
        )
        figure = (
            f"the first {few} took {early_took:.2f} s on average for {checks.mib(early_tail)}, the last {few} "
            f"{late_took:.2f} s for {checks.mib(late_tail)}, in a store {late[-1][2] / early[0][2]:.0f} times as large"
        )
        allowed = 1.0 + 3 * early_took * max(1.0, late_tail / max(early_tail, 1))
        assert late_took < allowed, figure
        return figure

    def summary(self):
        done = sum((writer.counts for writer in self.writers), collections.Counter())
        hits = sum(count > 0 for count in self.killed_in_flight)
        # An answer may already be on its way when the process dies: nearly every kill must hit, not each.
        kills = len(self.killed_in_flight)
        assert hits * 10 >= kills * 9, f"only {hits} of {kills} kills hit changes"
        return (
            f"{kills} kills, {hits} of them with changes in flight, {sum(self.killed_in_flight)} in all; "
            + ", ".join(f"{count} {kind}" for kind, count in sorted(done.items()))
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--fsck-every", type=int, default=1)
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if arguments.seed is None else arguments.seed
    print(f"seed {seed}; repeat with: target/venv/bin/python tools/clients/kill.py --rounds {arguments.rounds} --seed {seed}")
    run = checks.Checks()
    test = Kill(seed, arguments.fsck_every)
    try:
        alive = run.run("kill 1", test.begin)
        for number in range(2, arguments.rounds + 1):
            alive = alive and run.run(f"kill {number}", test.round, number)
        if alive:
            run.run("everything acknowledged is there at the end", test.end)
            run.run("starts take as long as the tail is, not the store", test.start_times)
            run.run("the kills hit the load", test.summary)
    finally:
        if test.server.process and test.server.process.poll() is None:
            test.server.kill()
    if not run.failed:
        shutil.rmtree(test.dir, ignore_errors=True)
    run.close()


if __name__ == "__main__":
    main()
