//! Where the kernel forbids io_uring, as many containers do, the store runs on blocking calls, and says clearly why it does
//! not run if rings were asked for. The prohibition is real: a seccomp filter, as a container runtime installs it.
//!
//! The only test of its file: the filter stays with the thread, and whatever that thread starts.

use bytes::Bytes;
use moraine_engine::io::probe::{IoChoice, choose};
use moraine_engine::io::{AlignedBuf, DiskPath, OpenMode};
use moraine_engine::{Attributes, Condition, Options, Store};
use pollster::block_on;
use std::path::{Path, PathBuf};

/// One instruction of a filter (`struct sock_filter`).
#[repr(C)]
struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    operand: u32,
}

/// `struct sock_fprog`.
#[repr(C)]
struct Program {
    len: u16,
    instructions: *const Instruction,
}

unsafe extern "C" {
    fn prctl(option: i32, ...) -> i32;
}

/// Answers the three system calls of io_uring with EPERM, for this thread and those that it starts.
fn forbid_io_uring() {
    const PR_SET_SECCOMP: i32 = 22;
    const PR_SET_NO_NEW_PRIVS: i32 = 38;
    const FILTER_MODE: u64 = 2;
    const LOAD_CALL_NUMBER: u16 = 0x20;
    const IF_AT_LEAST: u16 = 0x35;
    const IF_ABOVE: u16 = 0x25;
    const RETURN: u16 = 0x06;
    const EPERM: u32 = 0x0005_0001;
    const ALLOW: u32 = 0x7fff_0000;
    let instruction = |code, if_true, if_false, operand| Instruction {
        code,
        if_true,
        if_false,
        operand,
    };
    // io_uring_setup, _enter and _register are 425 to 427 on every architecture but alpha.
    let instructions = [
        instruction(LOAD_CALL_NUMBER, 0, 0, 0),
        instruction(IF_AT_LEAST, 0, 2, 425),
        instruction(IF_ABOVE, 1, 0, 427),
        instruction(RETURN, 0, 0, EPERM),
        instruction(RETURN, 0, 0, ALLOW),
    ];
    let program = Program {
        len: 5,
        instructions: instructions.as_ptr(),
    };
    let (one, zero) = (1_u64, 0_u64);
    // SAFETY: sets a flag of this thread; no memory is involved.
    let set = unsafe { prctl(PR_SET_NO_NEW_PRIVS, one, zero, zero, zero) };
    assert_eq!(set, 0, "no_new_privs was refused");
    // SAFETY: the program and its instructions outlive the call, which copies them.
    let set = unsafe { prctl(PR_SET_SECCOMP, FILTER_MODE, &raw const program, zero, zero) };
    assert_eq!(set, 0, "the filter was refused");
}

/// Removed when dropped.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn without_io_uring_the_disk_works_by_blocking_calls() {
    let folder =
        Folder(std::env::temp_dir().join(format!("moraine-forbidden-{}", std::process::id())));
    std::fs::create_dir(&folder.0).unwrap();
    forbid_io_uring();

    let error = choose(&folder.0, IoChoice::Uring).err().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    assert!(
        error.to_string().contains("io_uring was asked for"),
        "{error}"
    );

    let (disk, reason) = choose(&folder.0, IoChoice::Auto).unwrap();
    assert_eq!(disk.driver(), "blocking");
    assert_eq!(reason, "io_uring does not work here");
    assert_eq!(moraine_engine::io::uring::submitted_total(), 0);

    let path = DiskPath::root().join("a");
    let file = disk.open(&path, OpenMode::CreateDirect).unwrap();
    let mut queue = disk.queue(4).unwrap();
    queue.write(1, &file, 0, AlignedBuf::zeroed(AlignedBuf::ALIGNMENT));
    let ended = queue.wait(None).unwrap();
    assert_eq!(*ended[0].result.as_ref().unwrap(), AlignedBuf::ALIGNMENT);

    a_store_works_without_rings(&folder.0.join("store"));
}

/// Its threads are started behind the filter, and so have it too.
fn a_store_works_without_rings(dir: &Path) {
    let body = vec![7; 3_000_000];
    let store = Store::open(dir, Options::default()).unwrap();
    let bucket = block_on(async {
        let tenant = store.create_tenant("t").await.unwrap();
        let bucket = store.create_bucket(tenant.id, "media", false).await;
        let bucket = bucket.unwrap().id;
        let mut writer = store.blob_writer(None);
        writer.write(Bytes::from(body.clone())).await.unwrap();
        let staged = writer.finish().await.unwrap();
        let (attributes, none) = (Attributes::default(), Condition::None);
        store
            .put(bucket, b"key", staged, attributes, none)
            .await
            .unwrap();
        store.close().await.unwrap();
        bucket
    });
    let stats = store.stats();
    assert_eq!((stats.driver, stats.uring_submissions), ("blocking", 0));
    assert!(stats.syncs > 0, "the log was synced");
    drop(store);

    let store = Store::open(dir, Options::default()).unwrap();
    let read = block_on(async {
        let object = store.head(bucket, b"key").await.unwrap();
        let mut reader = store.read(&object, 0..object.size).await.unwrap();
        let mut read = Vec::new();
        while let Some(chunk) = reader.next().await {
            read.extend_from_slice(&chunk.unwrap());
        }
        read
    });
    assert!(read == body, "other bytes");
    assert_eq!(store.stats().uring_submissions, 0);
}
