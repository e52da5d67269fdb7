"""Random sessions of boto3 against a model, with restarts and kills in between.

Several processes, each with buckets of its own, ask one server: puts, reads whole and in ranges, conditions, copies,
listings of all kinds, uploads by parts, ACLs with strangers who read, links, checksums, buckets made and deleted. Every
answer is compared with a model at once. After some 25 sessions the server stops (SIGTERM), and every other time it is
killed among them; then everything is read and compared: of a request in flight at the kill the whole effect is there,
or none.

What is asked comes from the seed; the moment of a kill cannot.
"""

import argparse
import collections
import multiprocessing
import multiprocessing.connection
import random
import shutil
import traceback

import urllib3
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, IncompleteReadError

import checks
from server import Server, fsck, scratch
from sessions_asks import is_open, same, unquoted
from sessions_floors import floors
from sessions_model import md5
from sessions_more import Sessions, complete_numbers

WORKERS = 3
#: Sessions of one worker between two restarts.
ROUND = 9
REQUESTS = (12, 25)
#: Kills of which one at least must meet a change: of the workers' requests at a kill, about half are changes.
KILLS_PER_HIT = 4
#: Uploads that each worker completes after a restart.
FINISHED = 1
#: As many sessions should have asked everything, and been refused in every way.
SESSIONS_THAT_MEET_ALL = 100
#: What a client sees when the server dies under it.
DIED = (HTTPClientError, IncompleteReadError, ConnectionError, urllib3.exceptions.HTTPError)


class Worker(Sessions):
    """One process' sessions, and what it does when the server comes back."""

    def __init__(self, name):
        super().__init__(name)
        #: What is being asked: at first, for a bucket.
        self.doing = "its first bucket"
        #: When uploads were begun, as the server tells it.
        self.begun = {}

    def run(self, seeds, pipe):
        """Sessions, told one by one; returns how the server died in one of them, if it did."""
        for seed in seeds:
            try:
                if not self.model.buckets:
                    self.start_session(seed)
                    self.ask("create_bucket", self.first_bucket, Bucket=f"{self.name}-a")
                self.session(seed, random.Random(seed).randint(*REQUESTS))
            except DIED as why:
                return f"session {seed!r}, {self.doing}: {type(why).__name__}: {why}"
            except Exception as why:
                raise AssertionError(f"session {seed!r}, {self.doing}: {type(why).__name__}: {why}") from why
            pipe.send(("session", None))
        return None

    def first_bucket(self, model):
        model.buckets[f"{self.name}-a"] = {}

    # After a restart.

    def settle(self):
        """Everything must be as it was, or as the request in flight makes it; that is the model from now on."""
        before, after = self.model, self.after or self.model
        changed = self.after is not None or self.begins is not None
        self.chosen = set()
        buckets = self.s3.list_buckets()["Buckets"]
        there = {it["Name"] for it in buckets if it["Name"].startswith(f"{self.name}-")}
        model = before.copy()
        for name in sorted({*before.buckets, *after.buckets, *there}):
            objects = self.choose(f"the bucket {name}", name in there, name in before.buckets, name in after.buckets)
            if not objects:
                model.buckets.pop(name, None)
                continue
            model.buckets[name] = self.settle_objects(
                name, before.buckets.get(name, {}), after.buckets.get(name, {})
            )
        model.uploads = self.settle_uploads(there, before, after)
        # A batch delete is many deletes; everything else happens or does not.
        assert len(self.chosen) < 2 or self.doing == "delete_many", f"half of {self.doing} happened"
        self.model, self.after, self.begins = model, None, None
        self.finish_some()
        return changed

    def finish_some(self):
        """What an upload was begun with shows in the object that it becomes: some that survived are completed."""
        self.doing = "an upload that survived"
        begun = sorted(name for name, upload in self.model.uploads.items() if upload.parts)
        for upload_id in begun[:FINISHED]:
            upload = self.model.uploads[upload_id]
            named = [(number, md5(upload.parts[number])) for number in complete_numbers(upload.parts)]
            self.complete_of(upload_id, upload.bucket, upload.key, named)
            self.compare(upload.bucket, upload.key, self.model.buckets[upload.bucket][upload.key])
            self.counts["uploads completed after a restart"] += 1

    def choose(self, what, found, one, other):
        """What was found must be one of the two."""
        if one != other:
            self.chosen.add("before" if found == one else "after")
        if found not in (one, other):
            raise AssertionError(f"{what}: {found!r}, expected {one!r}" + (f" or {other!r}" if one != other else ""))
        return found

    def settle_objects(self, bucket, before, after):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        listed = {item["Key"] for page in pages for item in page.get("Contents", [])}
        found = {}
        for key in sorted({*before, *after, *listed}):
            candidates = [before.get(key)] + ([after.get(key)] if after.get(key) != before.get(key) else [])
            object_ = self.settle_object(bucket, key, candidates)
            same(key in listed, object_ is not None, f"whether {bucket}/{key} is listed")
            if object_:
                found[key] = object_
        return found

    def settle_object(self, bucket, key, candidates):
        wrong = []
        for which, expected in zip(("before", "after"), candidates):
            try:
                self.compare(bucket, key, expected)
            except AssertionError as why:
                wrong.append(str(why))
                continue
            if len(candidates) > 1:
                self.chosen.add(which)
            return expected
        raise AssertionError(f"{bucket}/{key} is not what it was, nor what it was to be: {wrong}")

    def compare(self, bucket, key, expected):
        try:
            answer = self.s3.get_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        except ClientError as error:
            same(error.response["Error"]["Code"], "NoSuchKey", f"{bucket}/{key}")
            assert expected is None, "it is gone"
            return
        data = answer["Body"].read()
        assert expected is not None, "it is there"
        same(data, expected.data, "the bytes")
        self.described(bucket, key, answer, expected)
        self.compare_parts(bucket, key, expected.parts)
        same(is_open(self.s3.get_object_acl(Bucket=bucket, Key=key)), expected.public, "whether anyone may read")

    def compare_parts(self, bucket, key, sizes):
        for number, size in enumerate(sizes, 1):
            if size == 0:
                continue  # There is no range of an empty part.
            try:
                answer = self.s3.head_object(Bucket=bucket, Key=key, PartNumber=number)
            except ClientError as error:
                raise AssertionError(f"part {number}: {error}") from None
            same((answer["ContentLength"], answer["PartsCount"]), (size, len(sizes)), f"the size of part {number}")

    def settle_uploads(self, buckets, before, after):
        found = {}
        for bucket in sorted(buckets):
            pages = self.s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
            for item in (item for page in pages for item in page.get("Uploads", [])):
                found[item["UploadId"]] = (bucket, item["Key"])
                self.look_at_upload(item, before, after)
        kept = {}
        for upload_id in sorted({*before.uploads, *after.uploads, *found}):
            one, other = before.uploads.get(upload_id), after.uploads.get(upload_id)
            if one is None and other is None:
                begun = self.begins and (self.begins.bucket, self.begins.key)
                same(found[upload_id], begun, "an upload that nobody knows")
                kept[upload_id] = self.begins
                continue
            if self.choose(f"the upload {upload_id}", upload_id in found, one is not None, other is not None):
                kept[upload_id] = self.settle_parts(upload_id, one or other, other or one)
        return kept

    def look_at_upload(self, item, before, after):
        """How its checksum is made, and when it was begun: the same for as long as it is there."""
        upload_id = item["UploadId"]
        upload = before.uploads.get(upload_id) or after.uploads.get(upload_id) or self.begins
        if upload:
            same((item.get("ChecksumAlgorithm"), item.get("ChecksumType")), upload.plan, f"the plan of {upload_id}")
        same(item["Initiated"], self.begun.setdefault(upload_id, item["Initiated"]), f"the beginning of {upload_id}")

    def settle_parts(self, upload_id, one, other):
        pages = self.s3.get_paginator("list_parts").paginate(Bucket=one.bucket, Key=one.key, UploadId=upload_id)
        parts = [item for page in pages for item in page.get("Parts", [])]
        found = {it["PartNumber"]: (it["Size"], unquoted(it["ETag"])) for it in parts}
        of = lambda upload: {number: (len(data), md5(data)) for number, data in upload.parts.items()}
        self.choose(f"the parts of {upload_id}", found, of(one), of(other))
        return one if found == of(one) else other


def work(pipe, name, data):
    """The process: does what it is told until the pipe closes."""
    worker = Worker(name)
    server = Server(data)
    while True:
        try:
            command, endpoint, seeds = pipe.recv()
        except EOFError:
            return
        try:
            server.endpoint = endpoint
            worker.connect(server.boto3(), endpoint)
            result = worker.run(seeds, pipe) if command == "run" else worker.settle()
            pipe.send(("done", (result, worker.counts)))
        except Exception as why:
            pipe.send(("wrong", f"{name}: {why}\n{traceback.format_exc(limit=-4)}"))
            return


class Test:
    """The server, the processes, and the rounds."""

    def __init__(self, seed, sessions):
        self.dir = scratch("sessions")
        self.server = Server(self.dir / "data")
        self.random = random.Random(seed)
        self.todo = [[f"{seed} {number}" for number in range(worker, sessions, WORKERS)] for worker in range(WORKERS)]
        self.counts = [collections.Counter() for _ in range(WORKERS)]
        self.pipes = []
        self.sessions = self.kills = self.hit = 0

    def start(self):
        self.server.start()
        for number in range(WORKERS):
            ours, theirs = multiprocessing.Pipe()
            arguments = (theirs, f"s{number}", self.server.data)
            multiprocessing.Process(target=work, args=arguments, daemon=True).start()
            theirs.close()
            self.pipes.append(ours)

    def round(self, kill):
        """A share of the sessions; the server is killed among them, or stops after them."""
        share = [[todo.pop(0) for _ in range(min(len(todo), ROUND))] for todo in self.todo]
        total = sum(map(len, share))
        done = self.run(share, self.random.randrange(total) if kill else None)
        if kill:
            self.kills += 1
            self.server.start()
            self.settle()
            self.run([seeds[count + 1 :] for seeds, count in zip(share, done)], None)
            self.server.stop()
        else:
            self.server.stop()
        self.server.start()
        self.settle()
        self.sessions += total
        return f"{self.sessions} sessions"

    def run(self, share, kill_after):
        """Lets the workers go; returns how many sessions each ended."""
        busy = [number for number in range(WORKERS) if share[number]]
        for number in busy:
            self.pipes[number].send(("run", self.server.endpoint, share[number]))
        ended = [0] * WORKERS
        killed = kill_after is None
        while busy:
            if not killed and sum(ended) >= kill_after:
                self.server.kill()
                killed = True
            for pipe in multiprocessing.connection.wait([self.pipes[number] for number in busy]):
                number = self.pipes.index(pipe)
                what, result = pipe.recv()
                assert what != "wrong", result
                if what == "session":
                    ended[number] += 1
                    continue
                busy.remove(number)
                died, self.counts[number] = result
                assert not died or killed and kill_after is not None, f"a connection broke in {died}"
        return ended

    def settle(self):
        for pipe in self.pipes:
            pipe.send(("settle", self.server.endpoint, None))
        for pipe in self.pipes:
            what, result = pipe.recv()
            assert what == "done", result
            self.hit += result[0]

    def clean(self):
        self.server.stop()
        code, report = fsck(self.server.data)
        assert code == 0 and report["clean"], f"fsck ended with {code}: {report['findings'][:3]}"
        return f"{report['records']} records, {checks.mib(report['bytes'])}, {report['names']} names"

    def summary(self):
        counts = sum(self.counts, collections.Counter())
        if self.sessions >= SESSIONS_THAT_MEET_ALL:
            met = f"{self.hit} changes were in flight at {self.kills} kills"
            assert self.hit >= self.kills // KILLS_PER_HIT, f"{met}: hardly any"
            few = [f"{counts[name]} {name}, expected {floor}" for name, floor in floors(self.sessions) if counts[name] < floor]
            assert not few, f"hardly tested: {'; '.join(few)}"
        refused, strangers = counts.pop("refused"), counts["stranger"]
        most = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
        requests = sum(count for name, count in counts.items() if " " not in name)
        return (
            f"{self.sessions} sessions, {requests} requests, {refused} of them refused, {strangers} without "
            f"a key; {self.kills} kills, {self.hit} changes in flight at them; {most}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if arguments.seed is None else arguments.seed
    repeat = f"target/venv/bin/python tools/clients/sessions.py --seed {seed} --sessions {arguments.sessions}"
    print(f"seed {seed}; repeat with: {repeat}")
    run = checks.Checks()
    test = Test(seed, arguments.sessions)
    try:
        alive = run.run("start", test.start)
        number = 0
        while alive and any(test.todo):
            kill = number % 2 == 0
            what = "sessions, " + ("with a kill among them, and a restart" if kill else "and a restart")
            alive = run.run(what, test.round, kill)
            number += 1
        if alive:
            run.run("fsck", test.clean)
            run.run("all of it", test.summary)
    finally:
        if test.server.process and test.server.process.poll() is None:
            test.server.kill()
    if not run.failed:
        shutil.rmtree(test.dir, ignore_errors=True)
    run.close()


if __name__ == "__main__":
    main()
