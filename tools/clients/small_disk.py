"""Small disks for tests of full ones: a file system in a file, mounted for the time of a `with`, and ballast that takes up
its room. Needs root; where mounting is forbidden, or a file system is missing, the check is skipped with the reason."""

import contextlib
import os
import shutil
import subprocess

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
        subprocess.run(["umount", self.folder], capture_output=True)


@contextlib.contextmanager
def file_system(folder, size, kind="ext4"):
    """A file system of that many bytes in a file, which is removed at the end."""
    make = MAKE[kind]
    if not shutil.which(make[0], path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
        raise checks.Skip(f"there is no {make[0]} here")
    image = folder.with_suffix(".img")
    with open(image, "wb") as file:
        file.truncate(size)
    try:
        with mounted(folder, [*make, image], ["mount", "-t", kind, "-o", "loop", image, folder]):
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
