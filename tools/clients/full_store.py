"""A store on a small disk with ballast beside it: puts objects, remembers what was acknowledged, and compares all of it
with what comes back, also when no room is left, after a restart, and once there is room again."""

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import ClientError

from server import BUCKET, Server, fsck
from small_disk import Ballast, free_bytes

WORKERS = 4
LARGE, TINY = 4 << 20, 600
FULL = (507, "InsufficientStorage")
READ_ONLY = (503, "ServiceUnavailable")
#: What others may leave at the least before whatever writes is refused: the indexes have that to themselves.
FLOOR_BYTES = 32 << 20
#: What must be free for a segment: its 256 MiB, and 64 MiB that stay with the indexes.
SEGMENT_NEEDS_BYTES = 320 << 20
#: Tries until a spare segment that is being made is given back.
SPARE_TRIES = 100
#: What a start needs: the superblock, the marks of the indexes, a journal.
START_NEEDS_BYTES = 64 << 20


def refusal(request):
    """Status and code of an answer that must be a refusal."""
    try:
        request()
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    return 200, ""


class FullStore:
    """The store in `folder`; `stored` is what was acknowledged: a key's seed and length."""

    def __init__(self, folder):
        self.folder = folder
        self.ballast = Ballast(folder)
        self.server = Server(folder / "data")
        self.stored = {}
        self.unknown = set()
        self.next = 0

    def start(self):
        self.server.start()
        self.s3 = self.server.boto3()
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.server.process and self.server.process.poll() is None:
            self.server.kill()

    def body(self, seed, size):
        return random.Random(seed).randbytes(size)

    def put(self, size, refused=(FULL,)):
        """A new object; `True` if it was acknowledged, `False` if it was refused as it may be. One that was not acknowledged
        by a store that became read-only may be there later."""
        number, self.next = self.next, self.next + 1
        key = f"{size}/{number}"
        got = refusal(lambda: self.s3.put_object(Bucket=BUCKET, Key=key, Body=self.body(number, size)))
        if got == (200, ""):
            self.stored[key] = (number, size)
            return True
        assert got in refused, f"a PUT to a full disk answered {got}"
        if got != FULL:
            self.unknown.add(key)
        return False

    def put_many(self, count, size):
        """As many as there is room for, several at a time; returns how many were acknowledged."""
        with ThreadPoolExecutor(WORKERS) as workers:
            return sum(workers.map(self.put, [size] * count))

    def put_until_full(self, size=LARGE):
        """Until two rounds took nothing: a store may give back its spare segment on the way. Returns how many were taken."""
        taken = 0
        while more := self.put_many(4 * WORKERS, size) or self.put_many(WORKERS, size):
            taken += more
        return taken

    def leave(self, free):
        """Ballast to all but so much, which stays so: a spare segment, which would be given back on the way, is gone first."""
        spare = self.server.data / "spare"
        for _ in range(SPARE_TRIES):
            if not any(spare.iterdir()):
                return self.ballast.fill(leave=free)
            self.ballast.fill(leave=FLOOR_BYTES // 2)
            self.put(TINY)
        raise AssertionError("the spare segment is kept on a full disk")

    def verify(self):
        """Everything that was acknowledged is there, byte for byte, and listed; what was deleted is neither."""
        with ThreadPoolExecutor(WORKERS) as workers:
            wrong = [key for key in workers.map(self.differs, self.stored) if key]
        assert not wrong, f"{len(wrong)} of {len(self.stored)} differ: {wrong[:5]}"
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        listed = {one["Key"] for page in pages for one in page.get("Contents", [])} - self.unknown
        assert listed == set(self.stored), f"listed and stored differ by {sorted(listed ^ set(self.stored))[:5]}"
        return f"{len(self.stored)} objects"

    def differs(self, key):
        seed, size = self.stored[key]
        head = self.s3.head_object(Bucket=BUCKET, Key=key)
        body = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        same = head["ContentLength"] == size and sha256(body) == sha256(self.body(seed, size))
        return None if same else key

    def serves_while_full(self):
        """Reads go on, what writes is refused as full, and health and metrics say what is going on."""
        assert not self.put(LARGE) or not self.put(LARGE), "the disk is not full"
        self.verify()
        key = next(iter(self.stored))
        got = refusal(lambda: self.s3.delete_object(Bucket=BUCKET, Key=key))
        assert got in (FULL, (200, "")), f"DELETE answered {got}"
        if got != FULL:
            del self.stored[key]
        assert self.server.is_ready(), "/readyz says that it does not serve"
        metrics = self.server.metrics()
        assert metrics["moraine_read_only"] == 0, "a full disk made the store read-only"
        assert metrics['moraine_http_errors_total{code="InsufficientStorage"}'] > 0, "no metric counts the refusals"
        reported, real = metrics["moraine_disk_free_bytes"], free_bytes(self.folder)
        assert abs(reported - real) <= 64 << 20, f"free: {real}, and the metric says {reported}"
        return f"{len(self.stored)} objects read, {real >> 20} MiB free, DELETE: {got[0]}"

    def restart(self, cleanly):
        """Stops it, or kills it, and starts it again; everything is there."""
        if cleanly:
            self.server.stop()
        else:
            self.server.kill()
        self.start()
        self.verify()
        return f"in {self.server.start_seconds:.2f} s"

    def restart_without_room(self, cleanly):
        """As before; but a start for which not even its own few files find room may say so, and end. With a little room it
        opens, though nothing can be put yet."""
        try:
            return self.restart(cleanly)
        except AssertionError:
            code, last = self.server.process.poll(), self.server.log_tail().splitlines()[-1]
            assert code == 2 and last.startswith("moraine: ") and "space" in last, f"ended with {code}: {last}"
        self.ballast.drop()
        self.ballast.fill(leave=START_NEEDS_BYTES)
        self.start()
        self.verify()
        self.ballast.fill()
        return f"refused ({last}), then with {START_NEEDS_BYTES >> 20} MiB in {self.server.start_seconds:.2f} s"

    def room_again(self):
        """Without the ballast, writing goes on, without a restart."""
        self.ballast.drop()
        for size in (LARGE, TINY, LARGE):
            assert self.put(size), "there is room, and the store says that it is full"
        self.s3.delete_object(Bucket=BUCKET, Key=next(iter(self.stored)))
        del self.stored[next(iter(self.stored))]
        return self.verify()

    def ends_clean(self):
        """It stops cleanly, and fsck finds nothing."""
        self.server.stop()
        code, report = fsck(self.server.data)
        assert code == 0, f"fsck ended with {code}: {report['findings'][:3]}"
        self.start()
        self.verify()
        self.server.stop()
        return f"{len(self.stored)} objects"


def sha256(data):
    return hashlib.sha256(data).digest()
