"""Checks that are counted: each is named, timed, and passes, fails or is skipped with its reason.

The closing line, `N passed, N failed, N skipped`, is what `cargo xtask test` adds up.
"""

import os.path
import signal
import sys
import threading
import time
import traceback


HERE = os.path.dirname(os.path.abspath(__file__))


class Skip(Exception):
    """Raised by a check that cannot run here; its text is the reason."""


class Checks:
    """Runs checks and remembers how they went; several threads may do so at once.

    From then on SIGTERM ends the process as an exception does: what a check began to use is put back, its servers included.
    """

    def __init__(self):
        signal.signal(signal.SIGTERM, end)
        self.passed = self.failed = self.skipped = 0
        self.lock = threading.Lock()

    def run(self, name, check, *arguments):
        """Runs one check; what it returns is a figure to print. Returns whether it passed."""
        started = time.monotonic()
        try:
            figure = check(*arguments)
        except Skip as reason:
            with self.lock:
                self.skipped += 1
            print(f"skipped  {name}: {reason}\n", end="")
            return False
        except Exception as why:
            with self.lock:
                self.failed += 1
            lines = [f"FAILED   {name}: {type(why).__name__}: {why}"]
            for place in traceback.extract_tb(why.__traceback__):
                if place.filename.startswith(HERE) and place.filename != __file__:
                    lines.append(f"           {place.filename}:{place.lineno}: {place.line}")
            print("\n".join(lines) + "\n", end="")
            return False
        with self.lock:
            self.passed += 1
        took = time.monotonic() - started
        print(f"ok       {name} ({took:.1f} s)" + (f": {figure}" if figure else "") + "\n", end="")
        return True

    def close(self):
        """Prints the closing line and ends the process."""
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        sys.exit(1 if self.failed or not self.passed else 0)


def end(number, _frame):
    """Not for `run` to catch."""
    sys.exit(128 + number)


def mib(count):
    """Bytes, for people."""
    return f"{count / (1 << 20):.1f} MiB"
