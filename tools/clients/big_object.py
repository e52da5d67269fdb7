"""A 5 GiB object streams in and out, by parts through awscli and in one request through boto3, while the server's
memory stays below 512 MiB. Prints the figures."""

import argparse
import hashlib
import io
import random
import subprocess
import time

import checks
from server import BUCKET, Server, fsck, scratch

MEMORY_MAX = 512 << 20
CHUNK = 1 << 20


class Synthetic(io.RawIOBase):
    """A file of that many bytes, made up as it is read: the same for the same seed, and no two of its chunks equal."""

    def __init__(self, seed, size):
        self.seed, self.size, self.at = seed, size, 0
        self.number, self.chunk = None, b""

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=io.SEEK_SET):
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.size}[whence]
        self.at = base + offset
        return self.at

    def tell(self):
        return self.at

    def readinto(self, buffer):
        if self.at >= self.size:
            return 0
        number, within = divmod(self.at, CHUNK)
        if number != self.number:
            self.number = number
            self.chunk = random.Random(f"{self.seed} {number}").randbytes(min(CHUNK, self.size - number * CHUNK))
        piece = self.chunk[within : within + len(buffer)]
        buffer[: len(piece)] = piece
        self.at += len(piece)
        return len(piece)


def digest_of(file):
    digest = hashlib.sha256()
    while piece := file.read(CHUNK):
        digest.update(piece)
    return digest.hexdigest()


class BigObject:
    def __init__(self, size):
        self.size = size
        self.server = Server(scratch("big-object") / "data").start()
        self.idle = self.server.memory_peak()

    def figures(self, what, started):
        took, peak = time.monotonic() - started, self.server.memory_peak()
        figure = f"{what}: {took:.0f} s, {self.size / took / 1e6:.0f} MB/s, server's peak memory {checks.mib(peak)}"
        assert peak < MEMORY_MAX, figure
        return figure

    def parts_in(self):
        started = time.monotonic()
        command = self.server.aws_command(
            "s3", "cp", "--only-show-errors", "--expected-size", self.size, "-", f"s3://{BUCKET}/parts"
        )
        with subprocess.Popen(command, stdin=subprocess.PIPE, env=self.server.aws_environment()) as aws:
            file = Synthetic("parts", self.size)
            while piece := file.read(CHUNK):
                aws.stdin.write(piece)
            aws.stdin.close()
            assert aws.wait() == 0, f"aws ended with {aws.returncode}"
        return self.figures("in by parts", started)

    def parts_out(self):
        started = time.monotonic()
        command = self.server.aws_command("s3", "cp", "--only-show-errors", f"s3://{BUCKET}/parts", "-")
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=self.server.aws_environment()) as aws:
            found = digest_of(aws.stdout)
            assert aws.wait() == 0, f"aws ended with {aws.returncode}"
        assert found == digest_of(Synthetic("parts", self.size)), "other bytes came out"
        return self.figures("out", started)

    def whole_in(self):
        started = time.monotonic()
        s3 = self.server.boto3(request_checksum_calculation="when_required", read_timeout=600)
        s3.put_object(Bucket=BUCKET, Key="whole", Body=io.BufferedReader(Synthetic("whole", self.size), CHUNK))
        return self.figures("in by one request", started)

    def whole_out(self):
        started = time.monotonic()
        answer = self.server.boto3().get_object(Bucket=BUCKET, Key="whole")
        assert answer["ContentLength"] == self.size
        assert digest_of(answer["Body"]) == digest_of(Synthetic("whole", self.size)), "other bytes came out"
        return self.figures("out by one request", started)

    def verify(self):
        self.server.stop()
        code, report = fsck(self.server.data)
        assert code == 0, report["findings"][:3]
        return f"{report['records']} records, {checks.mib(report['bytes'])}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=5 << 30)
    size = parser.parse_args().bytes
    run = checks.Checks()
    test = BigObject(size)
    print(f"{size} bytes; the idle server's peak memory is {checks.mib(test.idle)}")
    try:
        run.run("in by parts", test.parts_in)
        run.run("out", test.parts_out)
        run.run("in by one request", test.whole_in)
        run.run("out by one request", test.whole_out)
        run.run("fsck", test.verify)
    finally:
        if test.server.process.poll() is None:
            test.server.kill()
    scratch("big-object")
    run.close()


if __name__ == "__main__":
    main()
