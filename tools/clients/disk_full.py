"""Full disks: the real server on small file systems of its own, filled by boto3 until nothing fits, and by ballast at every
phase. A refusal is 507, what was acknowledged stays, a restart opens, and with room again writing goes on by itself.

    disk_full.py [--short] [--only ext4|xfs|btrfs] [--phase NAME]

`--short` is for every change: ext4 alone, filled by objects, and by the indexes under tiny objects. btrfs runs only when
it is asked for: without a free byte the store does not survive there (RELIABILITY.md).
"""

import argparse
import contextlib
import itertools
import shutil

import checks
from full_store import FLOOR_BYTES, FULL, LARGE, READ_ONLY, SEGMENT_NEEDS_BYTES, TINY, FullStore, refusal
from server import BUCKET, fsck, scratch
from small_disk import MAKE, Ballast, file_system, free_bytes, mounted

DISK_BYTES, SHORT_DISK_BYTES = 2 << 30, 900 << 20
#: A disk for the index alone, which is filled while the log's has room.
INDEX_DISK_BYTES = 320 << 20
#: The file systems that the manual names for a store.
SUPPORTED = ["ext4", "xfs"]
PART = 5 << 20
#: More log than lies between two checkpoints of the indexes (64 MiB).
CHECKPOINT_OBJECTS = 20
#: Tiny objects: the name index writes a level of its tree, shards of the hash index grow.
TINY_OBJECTS = 6000
#: A little more than the indexes have to themselves: batches are taken, and the indexes fill the disk.
NARROW_BYTES = FLOOR_BYTES + (2 << 20)
#: Enough for the batches of a segment, and not for the next one.
ROLL_BYTES = (FLOOR_BYTES + SEGMENT_NEEDS_BYTES) // 2


class DiskFull:
    """The checks on one kind of file system."""

    def __init__(self, kind, size):
        self.kind, self.size = kind, size
        self.dir = scratch(f"disk-full-{kind}")

    @contextlib.contextmanager
    def store(self, name):
        with file_system(self.dir / name, self.size, self.kind) as folder:
            with FullStore(folder) as store:
                yield store

    def filled(self, run):
        """By objects, until the log finds no room; then the last bytes go too."""
        with self.store("filled") as store:
            store.ballast.fill(leave=self.size // 2)
            run("objects until it is full", store.put_until_full)
            run("it serves while it is full", store.serves_while_full)
            run("killed and started while full", store.restart, False)
            run("stopped and started while full", store.restart, True)
            store.ballast.fill()
            run("it serves without one free byte", store.serves_while_full)
            run("killed and started without one free byte", store.restart_without_room, False)
            run("stopped and started without one free byte", store.restart_without_room, True)
            run("it serves after that", store.serves_while_full)
            run("room again", store.room_again)
            run("the end", store.ends_clean)

    def tiny(self, run):
        """Hardly any room, but enough in the segment: the indexes fill the disk, and go on when nothing more is taken."""
        with self.store("tiny") as store:
            store.put_many(200, TINY)
            store.leave(NARROW_BYTES)
            run("tiny objects until the indexes have filled the disk", self.fill_by_indexes, store)
            run("they are there", store.verify)
            store.ballast.fill()
            run("killed and started with them", store.restart_without_room, False)
            run("room again after them", store.room_again)
            run("the end after them", store.ends_clean)

    def fill_by_indexes(self, store):
        """So much was left that some are taken, and so little that not all are."""
        taken = store.put_many(TINY_OBJECTS, TINY)
        assert 0 < taken < TINY_OBJECTS, f"{taken} of {TINY_OBJECTS} were taken"
        return f"{taken} taken, {free_bytes(store.folder) >> 20} MiB free"

    def checkpoint(self, run):
        """Hardly any room while the indexes are made durable, again and again."""
        with self.store("checkpoint") as store:
            store.put_many(300, TINY)
            store.leave(NARROW_BYTES)
            run("checkpoints with hardly any room", self.checkpoints, store)
            store.ballast.fill()
            run("killed and started after them", store.restart_without_room, False)
            run("room again after the checkpoints", store.room_again)
            run("the end after the checkpoints", store.ends_clean)

    def checkpoints(self, store):
        before = checkpoints(store)
        taken = sum(store.put_many(CHECKPOINT_OBJECTS, LARGE) + store.put_many(200, TINY) for _ in range(2))
        store.verify()
        made, failed = (now - then for now, then in zip(checkpoints(store), before))
        told = f"{taken} objects taken, {made:.0f} checkpoints made, {failed:.0f} failed"
        assert taken and made + failed, told
        return told

    def roll(self, run):
        """The ballast comes right before the next segment: what is left fills this one, and is too little for another."""
        with self.store("roll") as store:
            store.put_many((220 << 20) // LARGE, LARGE)
            store.leave(ROLL_BYTES)
            run("a roll without room for a segment", self.fill_segment, store)
            store.ballast.fill()
            run("it serves at the end of a segment", store.serves_while_full)
            run("room for the next segment", store.room_again)
            run("the end after the roll", store.ends_clean)

    def fill_segment(self, store):
        """What stops it is the next segment, not the room that the indexes have to themselves."""
        taken = store.put_until_full()
        free = free_bytes(store.folder)
        assert taken and FLOOR_BYTES < free < SEGMENT_NEEDS_BYTES, f"{taken} taken, {free >> 20} MiB free"
        return f"{taken} taken, {free >> 20} MiB free"

    def multipart(self, run):
        """The ballast comes between the parts of an upload, which is completed once there is room."""
        with self.store("multipart") as store:
            run("an upload by parts over a full disk", lambda: self.parts(store))
            run("the end after the upload", store.ends_clean)

    def parts(self, store):
        upload = {"Bucket": BUCKET, "Key": "parts"}
        upload["UploadId"] = store.s3.create_multipart_upload(**upload)["UploadId"]
        bodies = [store.body(1_000_000 + n, PART) for n in range(4)]
        parts = [self.part(store, upload, n + 1, bodies[n]) for n in range(2)]
        store.ballast.fill()
        store.put_until_full()
        store.ballast.fill()
        got = refusal(lambda: self.part(store, upload, 3, bodies[2]))
        assert got == FULL, f"a part answered {got}"
        done = {"MultipartUpload": {"Parts": parts}}
        got = refusal(lambda: store.s3.complete_multipart_upload(**upload, **done))
        assert got == FULL, f"the completion answered {got}"
        store.restart_without_room(cleanly=False)
        store.ballast.drop()
        parts += [self.part(store, upload, n + 1, bodies[n]) for n in (2, 3)]
        store.s3.complete_multipart_upload(**upload, **done)
        body = store.s3.get_object(Bucket=BUCKET, Key="parts")["Body"].read()
        assert body == b"".join(bodies), "the upload has other bytes"
        store.s3.delete_object(Bucket=BUCKET, Key="parts")

    def part(self, store, upload, number, body):
        answer = store.s3.upload_part(**upload, PartNumber=number, Body=body)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def index_alone(self, run):
        """The index on a small disk of its own, which is full, while the log has room. Nobody watches that disk: the store
        may become read-only, and is started again once there is room. Nothing is lost."""
        with file_system(self.dir / "own", self.size, self.kind) as folder:
            store = FullStore(folder)
            with store:
                store.put_many(300, TINY)
                store.server.stop()
            index = store.server.data / "index"
            with file_system(self.dir / "index", INDEX_DISK_BYTES, self.kind) as other:
                with moved(index, other), store:
                    ballast = Ballast(other)
                    ballast.fill()
                    run("the index alone is full", lambda: self.index_is_full(store))
                    ballast.drop()
                    run("started with room for the index again", store.restart, False)
                    run("room for the index again", store.room_again)
                    store.server.stop()
            run("the end after the index", lambda: clean(store))

    def index_is_full(self, store):
        sizes = [TINY] * TINY_OBJECTS + [LARGE] * CHECKPOINT_OBJECTS
        taken = sum(itertools.takewhile(bool, (store.put(size, refused=(FULL, READ_ONLY)) for size in sizes)))
        assert taken < len(sizes), f"all {taken} were taken"
        store.verify()
        return f"{taken} objects taken, then refused"


@contextlib.contextmanager
def moved(index, folder):
    """The index in a folder of another disk, bound to its place."""
    inside = folder / "index"
    shutil.copytree(index, inside)
    with mounted(index, ["mount", "--bind", inside, index]):
        yield


def checkpoints(store):
    """How many were made, and how many failed."""
    metrics = store.server.metrics()
    return metrics["moraine_checkpoints_total"], metrics["moraine_checkpoints_failed_total"]


def clean(store):
    code, report = fsck(store.server.data)
    assert code == 0, f"fsck ended with {code}: {report['findings'][:3]}"


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--short", action="store_true")
    arguments.add_argument("--only", choices=MAKE)
    arguments.add_argument("--phase")
    given = arguments.parse_args()
    run = checks.Checks()
    kinds = [given.only] if given.only else ["ext4"] if given.short else SUPPORTED
    for kind in kinds:
        test = DiskFull(kind, SHORT_DISK_BYTES if given.short else DISK_BYTES)
        phases = [test.filled, test.tiny]
        if not given.short:
            phases += [test.checkpoint, test.roll, test.multipart, test.index_alone]
        for phase in phases:
            if given.phase in (None, phase.__name__):
                perform(run, kind, phase)
    run.close()


def perform(run, kind, phase):
    """One phase; what keeps it from being tried at all counts as one check."""
    try:
        phase(lambda name, check, *more: run.run(f"{kind}: {name}", check, *more))
    except checks.Skip as reason:
        run.run(f"{kind}: {phase.__name__}", skip, str(reason))
    except Exception as why:
        run.run(f"{kind}: {phase.__name__}", fail, why)


def skip(reason):
    raise checks.Skip(reason)


def fail(why):
    raise why


if __name__ == "__main__":
    main()
