"""Where the server's CPU time goes, request by request: `perf` samples of a running server under one load, summed into named parts.

    python3 benches/profile.py [get|put] [--size BYTES] [--connections N] [--seconds N] [--top] [--markdown]

Needs a release binary (`cargo build --release -p moraine-tools --bin moraine`, or MORAINE_BINARY), `perf` and `wrk`.

A sample belongs to one part. In the kernel the system call at the bottom of its stack decides, since most of what it
calls is shared; on loopback the receiver's share of TCP runs inside the sender's call, and is counted as sending. In
user space the function that ran decides, by the first rule that fits (`USER`): release builds have no frame pointers,
so there is nothing above it to ask. Functions that were inlined count as the one that took them in.

Samples say how the time is shared out; how much it is comes from /proc/PID/stat, divided by the answers that wrk counted.
"""

import argparse
import collections
import hashlib
import hmac
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools" / "clients"))

import server as servers  # noqa: E402

BUCKET = "media"
# Links that a PUT load goes through in turn: as many keys, each of them replaced again and again.
LINKS = 2000
SAMPLES_A_SECOND = 4000

# By a system call in the stack, then by any other function in it.
KERNEL = [
    ("TCP send", r"sys_(writev|write|sendto|sendmsg|sendfile64)$"),
    ("TCP receive", r"sys_(recvfrom|read|readv|recvmsg)$"),
    ("extent read", r"sys_(preadv2|preadv|pread64)$"),
    ("log write and sync", r"sys_(io_uring_enter|pwritev2?|pwrite64|fdatasync|fsync)$|^io_wq_|^io_worker"),
    ("waiting and waking", r"sys_(epoll_\w+|futex\w*|sched_yield|clock_nanosleep)$|schedule|futex|eventfd"),
    ("memory from the kernel", r"sys_(mmap|munmap|madvise|brk|mremap)$|page_fault"),
    ("accept and close", r"sys_(accept4?|close|shutdown|exit)$"),
    ("interrupts", r"irq|softirq|apic"),
]
USER = [
    ("checksums of content", r"crc32c|crc_u64|crc_fast|verify_block"),
    ("BLAKE3", r"blake3"),
    ("MD5", r"md5|Md5"),
    ("SHA-256 and signature", r"sha2|sha256|hmac|signature"),
    ("allocation", r"malloc|_int_free|cfree|realloc|calloc|unlink_chunk|mi_|_mi_|tcache|arena|^free$|je_|sdallocx"),
    ("copying and filling", r"memmove|memcpy|memset|bzero"),
    ("waiting and waking", r"crossbeam|rayon|epoll|futex|parking|oneshot|Notify|notify|semaphore|mpsc|waker"),
    ("timers and clocks", r"tokio::(runtime::)?time|clock_gettime|Instant|\[vdso\]|Sleep"),
    ("HTTP parse and encode", r"hyper|httparse|http::|httpdate|Heads|heads::|HeaderMap"),
    ("S3 protocol (s3s)", r"s3s|quick_xml|serde"),
    ("names and indexes", r"fjall|lsm_tree|index::|HotNames|hot_names|store::names|cbor|minicbor|NameRecord|key_locks|quick_cache"),
    ("log and batches", r"engine::log|engine::format|applier|apply::"),
    ("extents and bodies", r"moraine_engine::(store|io|budget)|body::"),
    ("routing, guards, books", r"moraine_server|moraine::"),
    ("runtime", r"tokio|mio|std::|core::|alloc::|__vdso"),
]


def signed_link(endpoint, key, access_key, secret_key):
    """A PUT link with the hash of the body left out, valid for a day: SigV4 with its parameters in the query."""
    day = time.strftime("%Y%m%d", time.gmtime())
    scope = f"{day}/us-east-1/s3/aws4_request"
    host = urllib.parse.urlsplit(endpoint).netloc
    query = urllib.parse.urlencode(
        {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{access_key}/{scope}",
            "X-Amz-Date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
            "X-Amz-Expires": "86400",
            "X-Amz-SignedHeaders": "host",
        },
        quote_via=urllib.parse.quote,
        safe="",
    )
    request = f"PUT\n/{BUCKET}/{key}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
    hashed = hashlib.sha256(request.encode()).hexdigest()
    when = urllib.parse.parse_qs(query)["X-Amz-Date"][0]
    text = f"AWS4-HMAC-SHA256\n{when}\n{scope}\n{hashed}"
    secret = f"AWS4{secret_key}".encode()
    for part in (day, "us-east-1", "s3", "aws4_request", text):
        secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
    return f"/{BUCKET}/{key}?{query}&X-Amz-Signature={secret.hex()}"


def put_script(server, size, folder):
    """A script for wrk: every request another link, and bytes that the store has never seen."""
    links = [signed_link(server.endpoint, f"put-{index}", *server.key) for index in range(LINKS)]
    (folder / "links").write_text("\n".join(links))
    script = f"""
local links = {{}}
for line in io.lines("{folder}/links") do links[#links + 1] = line end
local pad, count = string.rep("m", {max(size - 32, 0)}), 0
request = function()
  count = count + 1
  local head = string.format("%016x%016x", count, os.time())
  return wrk.format("PUT", links[count % #links + 1], nil, string.sub(head .. pad, 1, {size}))
end
"""
    (folder / "put.lua").write_text(script)
    return ["-s", str(folder / "put.lua")]


def load(server, arguments, folder):
    """The command that loads the server."""
    command = ["wrk", "-t1", f"-c{arguments.connections}", f"-d{arguments.seconds}s"]
    if arguments.what == "put":
        return [*command, *put_script(server, arguments.size, folder), server.endpoint]
    return [*command, f"{server.endpoint}/{BUCKET}/object"]


def fill(server, size):
    """The object that the GET load reads: with an ACL that lets anyone."""
    client = server.boto3()
    known = [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]
    if BUCKET not in known:
        client.create_bucket(Bucket=BUCKET)
    client.put_object(
        Bucket=BUCKET, Key="object", Body=os.urandom(size), ContentType="image/webp", ACL="public-read"
    )


def cpu_seconds(pid):
    """User and system time that a process has used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    tick = os.sysconf("SC_CLK_TCK")
    return int(fields[11]) / tick, int(fields[12]) / tick


def measure(server, arguments, folder):
    """Runs the load with `perf` beside it: answers, CPU seconds of both kinds, and the recorded file."""
    pid, data = server.process.pid, folder / "perf.data"
    before = cpu_seconds(pid)
    loading = subprocess.Popen(load(server, arguments, folder), stdout=subprocess.PIPE, text=True)
    record = ["perf", "record", "-q", "-F", str(SAMPLES_A_SECOND), "-g", "-p", str(pid), "-o", str(data)]
    subprocess.run([*record, "--", "sleep", str(arguments.seconds - 0.5)], check=True, stderr=subprocess.DEVNULL)
    out = loading.communicate()[0]
    used = [after - start for after, start in zip(cpu_seconds(pid), before)]
    assert "Non-2xx" not in out and "Socket errors" not in out, out
    return int(re.search(r"(\d+) requests in", out)[1]), used, data


def samples(data):
    """The stacks of all samples: the innermost function first, each with the file it is in."""
    script = ["perf", "script", "-i", str(data), "--no-inline", "-F", "comm,ip,sym,dso"]
    out = subprocess.run(script, capture_output=True, text=True, check=True, errors="replace").stdout
    for block in out.split("\n\n"):
        stack = re.findall(r"^\s+[0-9a-f]+ (.*?) \((.*)\)$", block, re.M)
        if stack:
            yield [(name, dso) for name, dso in stack]


def part(stack):
    """Which part a sample belongs to, and the function that ran."""
    name, dso = stack[0]
    if "kernel" in dso or dso in ("[guest]", "[hypervisor]"):
        names = [it for it, where in stack if "kernel" in where]
        for rules, label in ((KERNEL, "kernel: "),):
            for what, rule in rules:
                if any(re.search(rule, it) for it in names):
                    return label + what, name
        return "kernel: other", name
    for what, rule in USER:
        if re.search(rule, name) or re.search(rule, dso):
            return what, name
    return "other", name


def table(parts, requests, used, markdown):
    """The parts with their share and their microseconds a request, the largest first."""
    total = sum(parts.values())
    micros = sum(used) / requests * 1e6
    row = "| {:<28} | {:>7} | {:>10} |" if markdown else "{:<30} {:>7} {:>10}"
    print(row.format("part", "share", "us/request"))
    if markdown:
        print("| --- | ---: | ---: |")
    for name, count in parts.most_common():
        share = count / total
        print(row.format(name, f"{share:.1%}", f"{share * micros:.2f}"))
    print(row.format("all", "100.0%", f"{micros:.2f}"))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=["get", "put"], default="get")
    parser.add_argument("--size", type=int, default=65536)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--top", action="store_true", help="the functions in each part, too")
    parser.add_argument("--markdown", action="store_true")
    return parser.parse_args()


def main():
    chosen = arguments()
    with tempfile.TemporaryDirectory(dir=servers.scratch("profile")) as scratch:
        folder = pathlib.Path(scratch)
        server = servers.Server(folder / "data").start()
        try:
            fill(server, chosen.size)
            requests, used, data = measure(server, chosen, folder)
        finally:
            server.stop()
        parts, functions = collections.Counter(), collections.defaultdict(collections.Counter)
        for stack in samples(data):
            name, function = part(stack)
            parts[name] += 1
            functions[name][function] += 1
    rate = requests / chosen.seconds
    print(f"{chosen.what} of {chosen.size} bytes, {chosen.connections} connections: {rate:.0f} answers a second beside perf")
    table(parts, requests, used, chosen.markdown)
    for name, _ in parts.most_common() if chosen.top else ():
        print(f"\n{name}")
        for function, count in functions[name].most_common(12):
            print(f"  {count / sum(parts.values()):6.2%}  {function[:140]}")


if __name__ == "__main__":
    main()
