"""Small disks for tests of full ones: a file system in a file, mounted for the time of a `with`, and ballast that takes up
its room. Needs root; where mounting is forbidden, or a file system is missing, the check is skipped with the reason."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import time

import checks

#: How each file system is made. ext4 keeps nothing back for root, whom the tests run as.
MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-m", "0"],
    "xfs": ["mkfs.xfs", "-q"],
    "btrfs": ["mkfs.btrfs", "-q"],
}
#: Ballast files are at most this large: a file may be limited where the disk is not.
BALLAST_FILE_BYTES = 1 << 30
#: Less than this is no room for anything.
CRUMB_BYTES = 4096
#: Whoever was just killed may hold a mount for a moment.
UNMOUNT_TRIES, UNMOUNT_PAUSE_SECONDS = 50, 0.1


class mounted:
    """A mount for the time of a `with`; skipped where the system forbids it."""

    def __init__(self, folder, *commands):
        self.folder, self.commands = folder, commands

    def __enter__(self):
        if os.geteuid() != 0:
            raise checks.Skip("only root may mount")
        self.folder.mkdir(exist_ok=True)
        for command in self.commands:
            done = subprocess.run([*map(str, command)], capture_output=True, text=True)
            if done.returncode:
                self.__exit__()
                raise checks.Skip(f"{command[0]} is forbidden here: {done.stderr.strip()}")
        return self.folder

    def __exit__(self, *_):
        if self.folder.resolve() in mounts():
            unmount(self.folder)


def mounts():
    """Where something is mounted, in the order in which that was done."""
    lines = pathlib.Path("/proc/self/mounts").read_text().splitlines()
    return [pathlib.Path(re.sub(r"\\([0-7]{3})", lambda it: chr(int(it[1], 8)), line.split(" ")[1])) for line in lines]


def unmount(folder):
    """Ends the newest mount there. One that stays in use is detached, so that no later run meets it, and that is an error."""
    for _ in range(UNMOUNT_TRIES):
        done = subprocess.run(["umount", folder], capture_output=True, text=True)
        if done.returncode == 0:
            return
        time.sleep(UNMOUNT_PAUSE_SECONDS)
    subprocess.run(["umount", "-l", folder], capture_output=True)
    raise AssertionError(f"{folder} stayed mounted: {done.stderr.strip()}")


def detach_below(folder):
    """Ends what an interrupted run left mounted below a folder, the newest and deepest first."""
    folder = folder.resolve()
    left = [place for place in mounts() if place.is_relative_to(folder)]
    for place in sorted(reversed(left), key=lambda it: -len(it.parts)):
        subprocess.run(["umount", "-l", place], capture_output=True)


@contextlib.contextmanager
def file_system(folder, size, kind="ext4"):
    """A file system of that many bytes in a file, which is removed at the end."""
    make = MAKE[kind]
    program = shutil.which(make[0], path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")
    if not program:
        raise checks.Skip(f"there is no {make[0]} here")
    image = folder.with_suffix(".img")
    with open(image, "wb") as file:
        file.truncate(size)
    try:
        with mounted(folder, [program, *make[1:], image], ["mount", "-t", kind, "-o", "loop", image, folder]):
            yield folder
    finally:
        image.unlink(missing_ok=True)


def mounted_read_only(folder):
    return mounted(
        folder, ["mount", "--bind", folder, folder], ["mount", "-o", "remount,ro,bind", folder]
    )


def free_bytes(folder):
    """What the file system says that an ordinary process may still take."""
    space = os.statvfs(folder)
    return space.f_bavail * space.f_frsize


class Ballast:
    """Files that take up a disk's room beside the store."""

    def __init__(self, folder):
        self.folder = folder
        self.files = []

    def fill(self, leave=0):
        """Takes all room but `leave` bytes; what the file system gives in smaller pieces too."""
        step = BALLAST_FILE_BYTES
        while True:
            free = free_bytes(self.folder) - leave
            step = min(step, max(free, 0))
            if step < CRUMB_BYTES:
                return
            if not self.take(step):
                step //= 2

    def take(self, size):
        path = self.folder / f"ballast-{len(self.files)}"
        try:
            with open(path, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError:
            path.unlink(missing_ok=True)
            return False
        self.files.append(path)
        return True

    def drop(self):
        """Gives all of it back."""
        for path in self.files:
            path.unlink()
        self.files.clear()
