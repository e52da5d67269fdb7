"""restic: a repository in a bucket: backups, checks that read everything, forgetting, pruning, and restoring it all."""

import json
import shutil

import samples
import stage


class Restic:
    def __init__(self, place, url, bucket, certificate=None):
        self.stage = place
        self.trust = ["--cacert", certificate] if certificate else []
        self.here = place.home / f"{bucket}-tree"
        self.files = samples.tree(self.here)
        self.environment = place.client_environment(
            AWS_ACCESS_KEY_ID=place.key[0],
            AWS_SECRET_ACCESS_KEY=place.key[1],
            AWS_DEFAULT_REGION=stage.REGION,
            RESTIC_REPOSITORY=f"s3:{url}/{bucket}/some/repository",
            RESTIC_PASSWORD="for tests",
        )

    def restic(self, *arguments):
        return self.stage.run(["restic", *self.trust, *arguments], env=self.environment)

    def init(self):
        """The bucket is made with it."""
        self.restic("init")

    def backup(self):
        self.restic("backup", "--json", self.here)
        return f"{len(self.files)} files"

    def again(self):
        """Changed files, twice, so that there is something to forget."""
        for round in (1, 2):
            for number, name in enumerate(("with space.jpg", "changing.bin")):
                self.files[name] = samples.of_size(3_000_000 + round * 100_000)[number * 1000 :]
                (self.here / name).write_bytes(self.files[name])
            self.restic("backup", self.here)
        assert len(json.loads(self.restic("snapshots", "--json"))) == 3

    def check(self):
        self.restic("check", "--read-data")

    def prune(self):
        self.restic("forget", "--keep-last", "1", "--prune", "--max-unused", "0")
        assert len(json.loads(self.restic("snapshots", "--json"))) == 1
        self.restic("check", "--read-data")

    def restore(self):
        out = self.stage.home / "restored"
        self.restic("restore", "latest", "--target", out)
        found = samples.read_tree(out / str(self.here).lstrip("/"))
        samples.assert_same(found, self.files, "restored")
        shutil.rmtree(out)

    def unlock(self):
        """Locks are objects that come and go: none is left."""
        self.restic("unlock", "--remove-all")
        assert not self.restic("list", "locks").strip()


def body(run, place):
    for way, url, trust in (("http", place.plain, None), ("TLS", place.tls, place.front.certificate)):
        test = Restic(place, url, f"restic-{way.lower()}", trust)
        every = [test.init, test.backup, test.check, test.again, test.prune, test.restore, test.unlock]
        for check in every if way == "http" else [test.init, test.backup, test.check, test.restore]:
            run.run(f"restic over {way}: {check.__name__}", check)


if __name__ == "__main__":
    stage.main("restic", body)
