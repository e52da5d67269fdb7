"""Memory: a server with a small budget inside a hard limit, under the mix of sizes over many connections. It stays within,
answers everything or says that it is busy, and is not killed by the kernel.

    memory.py [--seconds N] [--budgets MIB,...]

The limit is a memory cgroup of version 1 or 2, page cache of the server included; where none can be made, the check is skipped
with the reason. The peak of the process itself must stay within the budget and what is promised beside it.
"""

import argparse
import collections
import os
import pathlib
import random
import threading
import time

from botocore.exceptions import BotoCoreError, ClientError

import checks
from server import BUCKET, Server, scratch

MIB = 1 << 20
CONNECTIONS = 64
#: What the documentation promises beside the budget.
BESIDE_MIB = 100
#: The kernel's memory for the sockets, and page cache that is being written back, which a hard limit counts too.
KERNEL_MIB = 64
#: A budget that so many connections must press, or nothing was tested.
PRESSED_MIB = 64
#: The least share of the answers that are no SlowDown.
ANSWERED_SHARE_MIN = 0.9
#: Sizes as media have them: thumbnails, pictures, and now and then a video.
SIZES = [4 << 10] * 6 + [60 << 10] * 6 + [300 << 10] * 5 + [3 << 20] * 2 + [16 << 20]


class Group:
    """A memory cgroup of its own for one process."""

    def __init__(self, limit):
        self.folder, self.limit = self.place(), limit

    def place(self):
        one, two = pathlib.Path("/sys/fs/cgroup/memory"), pathlib.Path("/sys/fs/cgroup")
        if (one / "memory.limit_in_bytes").exists():
            self.file = "memory.limit_in_bytes"
            return one / f"moraine-{os.getpid()}"
        controllers = two / "cgroup.subtree_control"
        if controllers.exists() and "memory" in controllers.read_text().split():
            self.file = "memory.max"
            return two / f"moraine-{os.getpid()}"
        raise checks.Skip("there is no memory cgroup here")

    def __enter__(self):
        try:
            self.folder.mkdir()
            (self.folder / self.file).write_text(str(self.limit))
        except OSError as why:
            raise checks.Skip(f"no memory cgroup can be made here: {why}") from None
        return self

    def __exit__(self, *_):
        for _ in range(50):
            try:
                self.folder.rmdir()
                return
            except OSError:
                time.sleep(0.1)


class Load:
    """Clients that put and get by turns until the time is up; what came back is compared with what was put."""

    def __init__(self, server, seconds):
        self.server = server
        self.until = time.monotonic() + seconds
        self.answers, self.wrong = collections.Counter(), []
        self.lock = threading.Lock()

    def run(self):
        threads = [threading.Thread(target=self.client, args=(n,)) for n in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not self.wrong, f"{len(self.wrong)} answers with other bytes: {self.wrong[:3]}"
        unexpected = set(self.answers) - {"200", "SlowDown"}
        assert not unexpected, f"answers: {dict(self.answers)}"
        share = self.answers["200"] / max(self.answers.total(), 1)
        assert share >= ANSWERED_SHARE_MIN, f"{share:.0%} were answered: {dict(self.answers)}"
        return dict(self.answers)

    def client(self, number):
        rng = random.Random(number)
        s3 = self.server.boto3(connect_timeout=30)
        while time.monotonic() < self.until:
            body = rng.randbytes(rng.choice(SIZES))
            key = f"{number}/{rng.randrange(1 << 30)}"
            answer = self.put_and_get(s3, key, body)
            with self.lock:
                self.answers[answer] += 1

    def put_and_get(self, s3, key, body):
        try:
            s3.put_object(Bucket=BUCKET, Key=key, Body=body)
            if s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() != body:
                self.wrong.append(key)
            return "200"
        except ClientError as error:
            return error.response["Error"]["Code"]
        except BotoCoreError as error:
            return f"broken: {type(error).__name__}"


class Confined(Server):
    """A server in a group."""

    def __init__(self, data, group, budget):
        super().__init__(data, arguments=["--memory", f"{budget}MiB"])
        self.group = group

    def command(self, arguments):
        group = self.group.folder / "cgroup.procs"
        return ["sh", "-c", f'echo $$ > {group} && exec "$@"', "sh", *arguments]


def within(budget, seconds):
    """The mix under a budget, in a group that holds what the documentation says."""
    limit = budget + BESIDE_MIB + KERNEL_MIB
    data = scratch("memory") / "data"
    with Group(limit * MIB) as group:
        server = Confined(data, group, budget).start()
        try:
            answers = Load(server, seconds).run()
            peak = server.memory_peak() // MIB
            waits = server.metrics()["moraine_memory_waits_total"]
            server.stop()
        finally:
            if server.process.poll() is None:
                server.kill()
    assert peak <= budget + BESIDE_MIB, f"{peak} MiB at its peak, with a budget of {budget}"
    assert waits or budget > PRESSED_MIB, f"nobody waited for memory: {answers}"
    return f"{peak} MiB at its peak (limit {limit} MiB), {waits:.0f} waits for memory, answers {answers}"


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=int, default=20)
    arguments.add_argument("--budgets", default="64,256")
    given = arguments.parse_args()
    run = checks.Checks()
    for budget in map(int, given.budgets.split(",")):
        run.run(f"--memory {budget}MiB", within, budget, given.seconds)
    run.close()


if __name__ == "__main__":
    main()
