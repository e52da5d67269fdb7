"""Where the server's CPU time goes, request by request: one command, three loads, a table for each.

    cargo xtask show profile            # or python3 benches/profile.py [get put-new put-known] [--size BYTES] [--no-page] ...

Starts the release server on a fresh folder, stores objects, starts it anew, and gives it one load after another with
`load`, each four times: alone, for the CPU time of each thread from /proc; under `perf stat`, for instructions; under
`perf record`, for how each thread's time is shared out (`profile_parts.py` says how samples are told apart); and, shortly,
with whole user stacks (DWARF), for a flame graph in target/client-tests/profile/.

A row is a thread's microseconds a request, times the share of its samples in that part: the rows of a table sum to what
/proc says of the process. The tables replace those between the marks in profile.md and profile-put.md, unless --no-page
says otherwise. Each load sends a fixed number of requests, so that counters over the whole of it can be divided by it.
"""

import argparse
import collections
import datetime
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools" / "clients"))

import flame  # noqa: E402
import profile_parts as parts  # noqa: E402
import server as servers  # noqa: E402

LOADS = {
    "get": ("public GET", ["--operation", "get"], "profile.md"),
    "put-new": ("durable PUT, new content", ["--operation", "put"], "profile-put.md"),
    "put-known": ("durable PUT, known content", ["--operation", "put", "--duplicates", "1"], "profile-put.md"),
}
SAMPLES_A_SECOND = 4000
STACKS_A_SECOND = 499
# Bytes of stack that a sample with a whole user stack copies.
STACK_BYTES = 16384
# Rows below this share of the whole are summed up in one.
LEAST = 0.005
# How long one run of a load is to take, and its requests, at most: new content fills the disk.
RUN_SECONDS = 5
REQUESTS_MAX = {"get": 1_000_000, "put-new": 30_000, "put-known": 200_000}
# Among the threads: the process, with those of its threads that ended.
WHOLE = "the process"
TICKS = os.sysconf("SC_CLK_TCK")


class Load:
    """Sends requests to a server with `load`."""

    def __init__(self, server, what, chosen):
        self.server, self.what = server, what
        self.command = [servers.TARGET / "release" / "load", "--endpoint", server.endpoint.removeprefix("http://")]
        self.command += ["--access-key", server.key[0], "--secret-key", server.key[1], "--json", "--no-read-back"]
        self.command += ["--size", chosen.size, "--connections", chosen.connections, *LOADS[what][1]]

    def run(self, *more):
        """What it reports; raises if anything was wrong."""
        command = [str(it) for it in (*self.command, "--server-pid", self.server.process.pid, *more)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout[done.stdout.index("{") :])

    def requests(self):
        """How many are sent in some seconds."""
        rate = self.run("--seconds", "0.5", "--warm-up", "0.3")["requests_per_second"]
        return max(1000, min(REQUESTS_MAX[self.what], int(rate * RUN_SECONDS)))


def ticks(path):
    """The used clock ticks, user and system, in a `stat` file."""
    fields = pathlib.Path(path).read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def nanoseconds(path):
    """Time on a processor, exact, from a `schedstat` file."""
    return int(pathlib.Path(path).read_text().split()[0])


def used(pid):
    """Seconds that the threads of each kind have used, and the process."""
    found = collections.Counter()
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            name = (task / "comm").read_text().rstrip("\n")
            found[parts.thread(name)] += nanoseconds(task / "schedstat") / 1e9
        except FileNotFoundError:
            pass
    found[WHOLE] = ticks(f"/proc/{pid}/stat") / TICKS
    return found


def alone(load, count):
    """Microseconds a request of each thread, and of all, without `perf`; and the requests a second."""
    before = used(load.server.process.pid)
    report = load.run("--requests", count)
    spent = used(load.server.process.pid)
    spent.subtract(before)
    micros = {name: seconds / count * 1e6 for name, seconds in spent.items() if seconds > 0}
    return micros, report["requests_per_second"]


def beside(tool, load, count):
    """Runs a tool over the server, with its load beside it, until the load has ended."""
    child = subprocess.Popen([*map(str, tool), "-p", str(load.server.process.pid)], stderr=subprocess.PIPE, text=True)
    try:
        load.run("--requests", count)
    finally:
        child.send_signal(2)
        errors = child.communicate(timeout=120)[1]
    return errors


def instructions(load, count):
    """Instructions a request, in user space and in the kernel; None where the machine does not count them."""
    text = beside(["perf", "stat", "-x", ",", "-e", "instructions:u,instructions:k"], load, count)
    counted = [line.split(",")[0] for line in text.splitlines() if "instructions" in line]
    if len(counted) != 2 or not all(it.isdigit() for it in counted):
        return None
    return [int(it) / count for it in counted]


def samples(data):
    """Each sample: the thread, and its functions with their files, the innermost first."""
    script = ["perf", "script", "-i", str(data), "--no-inline", "-F", "comm,ip,sym,dso"]
    out = subprocess.run(script, capture_output=True, text=True, check=True, errors="replace").stdout
    for block in out.split("\n\n"):
        lines = block.strip("\n").splitlines()
        stack = [it.groups() for it in (re.match(r"\s+[0-9a-f]+ (.*) \((.*)\)$", line) for line in lines[1:]) if it]
        if stack:
            yield parts.thread(lines[0].strip()), [(re.sub(r"\+0x[0-9a-f]+$", "", name), dso) for name, dso in stack]


def shares(load, count, folder):
    """How many samples each thread has in each part."""
    data = folder / f"{load.what}.perf"
    beside(["perf", "record", "-q", "-F", SAMPLES_A_SECOND, "-g", "-o", data], load, count)
    found, functions = collections.defaultdict(collections.Counter), collections.Counter()
    for thread, stack in samples(data):
        part = parts.part(stack)
        found[thread][part] += 1
        functions[thread, part, stack[0][0]] += 1
    data.unlink()
    return found, functions


def draw(load, count, folder):
    """The flame graph, of a fifth of the load: whole stacks are large."""
    data = folder / f"{load.what}.stacks"
    graph = ["--call-graph", f"dwarf,{STACK_BYTES}"]
    beside(["perf", "record", "-q", "-F", STACKS_A_SECOND, *graph, "-o", data], load, max(count // 5, 1000))
    stacks = collections.Counter()
    for thread, stack in samples(data):
        stacks[(thread, *(name for name, _ in reversed(stack)))] += 1
    data.unlink()
    path = folder / f"{load.what}.svg"
    flame.write(path, f"{LOADS[load.what][0]}: CPU samples, threads at the bottom", stacks)
    return path


def rows(micros, counts):
    """Thread, part, microseconds: largest first; what is small is summed up. They sum to what the process used."""
    total = micros.pop(WHOLE)
    found = collections.Counter()
    for thread, spent in micros.items():
        sampled = counts.get(thread)
        whole = sum(sampled.values()) if sampled else 0
        for name, count in sampled.items() if whole else [("not sampled", 1)]:
            found[thread, name] += spent * count / (whole or 1)
    small = [key for key, spent in found.items() if spent < LEAST * total]
    rest = sum(found.pop(key) for key in small) + max(total - sum(micros.values()), 0)
    ordered = sorted(found, key=lambda key: (-micros[key[0]], key[0], -found[key]))
    return [(*key, found[key]) for key in ordered] + [("all threads", "parts below 0.5 % each", rest)]


def table(listed, counted):
    """The rows in Markdown, each thread's sum before its parts."""
    total = sum(spent for *_, spent in listed)
    threads = collections.Counter()
    for thread, _, spent in listed:
        threads[thread] += spent
    lines, last = ["| thread | part | us a request | share |", "| --- | --- | ---: | ---: |"], None
    for thread, name, spent in listed:
        if thread != last and sum(it[0] == thread for it in listed) > 1:
            lines.append(f"| **{thread}** | | **{threads[thread]:.2f}** | **{threads[thread] / total:.1%}** |")
        lines.append(f"| {'' if thread == last or threads[thread] != spent else thread} | {name} | {spent:.2f} | {spent / total:.1%} |")
        last = thread
    lines.append(f"| **all** | | **{total:.2f}** | |")
    if counted:
        lines += ["", f"Instructions a request: {counted[0]:,.0f} in user space, {counted[1]:,.0f} in the kernel."]
    return "\n".join(lines)


def machine():
    """Where it was measured, and what else ran when it began."""
    text = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", text)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    load = os.getloadavg()[0]
    day = datetime.date.today().isoformat()
    return f"{day}, {os.cpu_count()} cores ({model[1] if model else 'unknown'}), load average {load:.1f} before; commit {commit}."


def replace(page, what, text):
    """Puts text between the marks of a page; says so if they are missing."""
    path = ROOT / "benches" / page
    begin, end = f"<!-- profile {what}: written by `cargo xtask show profile` -->", f"<!-- end of profile {what} -->"
    before, mark, rest = path.read_text().partition(begin)
    _, closing, after = rest.partition(end)
    assert mark and closing, f"{path} has no place for {what}"
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")


def prepared(folder, chosen):
    """A server that has just started, with objects in sealed segments."""
    server = servers.Server(folder / "data").start()
    try:
        Load(server, "get", chosen).run("--prepare", "--seconds", "0.1", "--warm-up", "0.1")
    finally:
        server.stop()
    return servers.Server(folder / "data").start()


def profile(server, what, chosen, folder, where):
    """One load: prints its table, writes it to its page."""
    load = Load(server, what, chosen)
    count = load.requests()
    micros, rate = alone(load, count)
    counted = instructions(load, count)
    sampled, functions = shares(load, count, folder)
    listed = rows(micros, sampled)
    graph = draw(load, count, folder)
    name = LOADS[what][0]
    heading = f"{name[0].upper()}{name[1:]} of {chosen.size} bytes, {chosen.connections} connections, {rate:,.0f}/s. {where}"
    text = f"{heading}\n\n{table(listed, counted)}"
    print(f"{text}\n\nflame graph: {graph}\n", flush=True)
    for (thread, part, function), count in functions.most_common(chosen.top):
        print(f"{count / functions.total():6.2%}  {thread}, {part}: {function[:120]}")
    if not chosen.no_page:
        replace(LOADS[what][2], what, text)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", choices=[*LOADS, []], help="which loads; all of them without")
    parser.add_argument("--size", type=int, default=65536)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--top", type=int, default=0, metavar="N", help="the N functions with the most samples, too")
    parser.add_argument("--no-page", action="store_true", help="leave the pages as they are")
    return parser.parse_args()


def main():
    chosen, where = arguments(), machine()
    if not shutil.which("perf"):
        sys.exit("perf is missing: `apt-get install linux-perf`")
    folder = servers.scratch("profile")
    server = prepared(folder, chosen)
    try:
        for what in chosen.what or LOADS:
            profile(server, what, chosen, folder, where)
    finally:
        server.stop()
        subprocess.run(["rm", "-rf", folder / "data"], check=True)


if __name__ == "__main__":
    main()
