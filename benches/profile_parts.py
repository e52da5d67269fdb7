"""Which part of the work a sample of `perf` belongs to: rules over threads and functions.

In the kernel the system call at the bottom of the stack decides, since most of what it calls is shared; on loopback the
receiver's share of TCP runs inside the sender's call, and is counted as sending. In user space the function that ran
decides, by the first rule that fits: release builds have no frame pointers, so there is nothing above it to ask.
Functions that were inlined count as the one that took them in.
"""

import re

# The beginning of a thread's name, of which the kernel keeps 15 characters, and what tables call it.
THREADS = [
    ("network", ("tokio-", "moraine\0")),
    ("compute (hashing)", ("moraine-compute",)),
    ("log writer", ("moraine-log-wri",)),
    ("ring workers (sync)", ("iou-",)),
    ("applier", ("moraine-appli",)),
    ("name index (fjall)", ("fjall",)),
]
# By a system call in the stack, then by any other function in it.
KERNEL = [
    ("waiting and waking", r"^eventfd_write"),
    ("TCP send", r"sys_(writev|sendto|sendmsg|sendfile64)$|^do_writev|^sock_write_iter|^(tcp|sock)_sendmsg"),
    ("TCP receive", r"sys_(recvfrom|read|readv|recvmsg)$|^sock_recvmsg|^tcp_recvmsg"),
    # A plain write that reached no socket woke a thread through an eventfd, also where it was still on its way there.
    ("waiting and waking", r"sys_write$"),
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
    ("MD5", r"md5|Md5|digest::lanes"),
    ("SHA-256 and signature", r"sha2|sha256|hmac|signature"),
    ("allocation", r"malloc|_int_free|cfree|realloc|calloc|unlink_chunk|\b_?mi_|tcache|^free$|je_|sdallocx"),
    ("copying and filling", r"memmove|memcpy|memset|bzero"),
    ("names and indexes", r"crossbeam_skiplist|byteview"),
    ("waiting and waking", r"crossbeam|rayon|epoll|futex|parking|oneshot|Notify|notify|semaphore|mpsc|waker"),
    ("timers and clocks", r"tokio::(runtime::)?time|clock_gettime|Instant|\[vdso\]|Sleep"),
    ("HTTP parse and encode", r"hyper|httparse|http::|httpdate|Heads|heads::|HeaderMap|smallvec"),
    ("S3 protocol (s3s)", r"s3s|quick_xml|serde"),
    ("names and indexes", r"fjall|lsm_tree|index::|HotNames|hot_names|store::names|cbor|minicbor|NameRecord|key_locks|quick_cache"),
    ("log and batches", r"engine::log|engine::format|applier|apply::"),
    ("extents and bodies", r"moraine_engine::(store|io|budget)|body::"),
    ("routing, guards, books", r"moraine_server|moraine::"),
    ("runtime", r"tokio|mio|std::|core::|alloc::|bytes::|asynccancel|libc\.so"),
]


def thread(name):
    """What tables call a thread of this name: threads of one kind are one, and the last number of a name is none of it."""
    for called, beginnings in THREADS:
        if any(f"{name}\0".startswith(it) for it in beginnings):
            return called
    return re.sub(r"[-#:/ ]*\d+$", "", name) or name


def is_kernel(where):
    """Whether a function's file is the kernel."""
    return "kernel" in where or where in ("[guest]", "[hypervisor]")


def part(stack):
    """Which part a sample belongs to, given its functions and their files, the innermost first."""
    name, where = stack[0]
    if is_kernel(where):
        names = [it for it, its in stack if is_kernel(its)]
        for what, rule in KERNEL:
            if any(re.search(rule, it) for it in names):
                return "kernel: " + what
        return "kernel: other"
    for what, rule in USER:
        if re.search(rule, name) or re.search(rule, where):
            return what
    return "other"
