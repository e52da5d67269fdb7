"""A clean-up of many keys: tiny objects, many of them equal, go in; then a media server's retention job removes them by
batches of 1,000. The server's memory stays within its budget, nothing is left, and the figures are printed."""

import argparse
import concurrent.futures
import multiprocessing
import time

import checks
from server import BUCKET, Server, fsck, scratch

#: The budget that the server is given, and what the process may take besides: its code, stacks, indexes and allocator.
BUDGET = 256 << 20
MEMORY_MAX = BUDGET + (100 << 20)
BATCH = 1000
THREADS = 8
PROCESSES = 2
#: So many different bodies: the rest are equal to one of them.
CONTENTS = 500


def key_of(number):
    """A key like those of cached previews, whose order is not that of the numbers."""
    scattered = number * 0x9E3779B97F4A7C15 % (1 << 64)
    return f"cache/preview_cards/images/{number // 1000:06d}/original/{scattered:016x}.jpg"


def put_share(endpoint, key, share, count):
    """One process puts every PROCESSES-th key, in threads."""
    server = Server.__new__(Server)
    server.endpoint, server.key = endpoint, key
    s3 = server.boto3()

    def put(number):
        body = f"preview {number % CONTENTS}".encode() * 20
        s3.put_object(Bucket=BUCKET, Key=key_of(number), Body=body, ContentType="image/jpeg", ACL="public-read")

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(put, range(share, count, PROCESSES)):
            pass


class CleanUp:
    def __init__(self, count):
        self.count = count
        self.server = Server(scratch("clean-up") / "data", arguments=["--memory", str(BUDGET)]).start()
        self.s3 = self.server.boto3()
        self.idle = self.server.memory_peak()

    def figures(self, what, count, started):
        took, peak = time.monotonic() - started, self.server.memory_peak()
        figure = f"{what}: {count} in {took:.1f} s, {count / took:.0f} a second, server's peak memory {checks.mib(peak)}"
        assert peak < MEMORY_MAX, f"{figure}: more than {checks.mib(MEMORY_MAX)}"
        return figure

    def put(self):
        started = time.monotonic()
        shares = [(self.server.endpoint, self.server.key, share, self.count) for share in range(PROCESSES)]
        with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
            pool.starmap(put_share, shares)
        return self.figures("puts", self.count, started)

    def keys(self):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def list(self):
        started = time.monotonic()
        found = self.keys()
        assert found == sorted(key_of(number) for number in range(self.count)), f"{len(found)} keys are listed"
        return self.figures("listed", len(found), started)

    def remove(self):
        """Half quietly, half with every key named in the answer; each batch has a key that never was."""
        started = time.monotonic()
        keys = [key_of(number) for number in range(self.count)]
        slowest = 0.0
        for number, at in enumerate(range(0, self.count, BATCH - 1)):
            named = [*keys[at : at + BATCH - 1], "never/was"]
            quiet = number % 2 == 0
            begun = time.monotonic()
            gone = {"Objects": [{"Key": key} for key in named], "Quiet": quiet}
            answer = self.s3.delete_objects(Bucket=BUCKET, Delete=gone)
            slowest = max(slowest, time.monotonic() - begun)
            assert not answer.get("Errors"), answer["Errors"][:3]
            assert len(answer.get("Deleted", [])) == (0 if quiet else len(named))
        return self.figures("removed", self.count, started) + f", the slowest batch {slowest:.2f} s"

    def nothing_left(self):
        assert self.keys() == []
        self.s3.delete_bucket(Bucket=BUCKET)

    def verify(self):
        self.server.stop()
        code, report = fsck(self.server.data)
        assert code == 0 and report["names"] == 0, f"{code}: {report['findings'][:3]}"
        return f"{report['records']} records"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=100_000)
    test = CleanUp(parser.parse_args().keys)
    run = checks.Checks()
    print(f"{test.count} keys; the idle server's peak memory is {checks.mib(test.idle)}")
    try:
        run.run("keys in", test.put)
        run.run("keys listed", test.list)
        run.run("keys removed by batches", test.remove)
        run.run("nothing left", test.nothing_left)
        run.run("fsck", test.verify)
    finally:
        if test.server.process.poll() is None:
            test.server.kill()
    scratch("clean-up")
    run.close()


if __name__ == "__main__":
    main()
