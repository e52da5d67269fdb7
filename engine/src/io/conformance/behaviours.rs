//! The behaviours, each a check of whatever disk it is given.

use super::*;

pub fn what_a_queue_writes_is_read_back_by_queue_and_by_call(disk: &Arc<dyn Disk>) {
    let file = create(disk, "a");
    let mut queue = disk.queue(8).unwrap();
    queue.write(1, &file, 0, filled(2 * BLOCK, 7));
    let ended = finish(queue.as_mut());
    assert_eq!(*ended[&1].result.as_ref().unwrap(), 2 * BLOCK);
    queue.sync(2, &file);
    let ended = finish(queue.as_mut());
    assert_eq!(*ended[&2].result.as_ref().unwrap(), 0);
    assert!(ended[&2].buf.is_none());
    queue.read(3, &file, 0, AlignedBuf::zeroed(2 * BLOCK));
    let ended = finish(queue.as_mut());
    assert_eq!(*ended[&3].result.as_ref().unwrap(), 2 * BLOCK);
    assert_eq!(ended[&3].buf.as_deref(), Some(&[7; 2 * BLOCK][..]));
    let mut buf = AlignedBuf::zeroed(2 * BLOCK);
    assert_eq!(file.read_at(&mut buf, 0).unwrap(), 2 * BLOCK);
    assert_eq!(*buf, [7; 2 * BLOCK]);
}

pub fn many_more_than_the_depth_end_once_each_with_their_own_buffer(disk: &Arc<dyn Disk>) {
    let file = create(disk, "a");
    let mut queue = disk.queue(4).unwrap();
    for token in 0..100_u8 {
        let offset = u64::from(token) * BLOCK as u64;
        queue.write(token.into(), &file, offset, filled(BLOCK, token));
    }
    assert_eq!(queue.in_flight(), 100);
    let ended = finish(queue.as_mut());
    assert_eq!(ended.len(), 100);
    for (token, completion) in ended {
        assert_eq!(completion.result.unwrap(), BLOCK);
        let byte = u8::try_from(token).unwrap();
        assert_eq!(completion.buf.as_deref(), Some(&[byte; BLOCK][..]));
    }
    for (number, block) in bytes_of(disk, "a").chunks(BLOCK).enumerate() {
        assert_eq!(block, [u8::try_from(number).unwrap(); BLOCK]);
    }
}

pub fn a_read_is_short_only_at_the_end_of_the_file(disk: &Arc<dyn Disk>) {
    let file = blocks(disk, "a", 3);
    file.set_len(2 * BLOCK as u64 + 100).unwrap();
    let mut queue = disk.queue(4).unwrap();
    for (token, start) in [0, 2, 3, 9].into_iter().enumerate() {
        let offset = start * BLOCK as u64;
        queue.read(token as u64, &file, offset, AlignedBuf::zeroed(4 * BLOCK));
    }
    let read: Vec<usize> = finish(queue.as_mut())
        .into_values()
        .map(|completion| completion.result.unwrap())
        .collect();
    assert_eq!(read, [2 * BLOCK + 100, 100, 0, 0]);
    let mut buf = AlignedBuf::zeroed(4 * BLOCK);
    assert_eq!(file.read_at(&mut buf, BLOCK as u64).unwrap(), BLOCK + 100);
}

pub fn empty_transfers_end_with_nothing(disk: &Arc<dyn Disk>) {
    let file = create(disk, "a");
    let mut queue = disk.queue(4).unwrap();
    queue.write(1, &file, 0, AlignedBuf::zeroed(0));
    queue.read(2, &file, 0, AlignedBuf::zeroed(0));
    for completion in finish(queue.as_mut()).into_values() {
        assert_eq!(completion.result.unwrap(), 0);
    }
    assert_eq!(file.len().unwrap(), 0);
}

pub fn a_failed_operation_returns_its_buffer(disk: &Arc<dyn Disk>) {
    blocks(disk, "a", 1);
    let file = disk.open(&path("a"), OpenMode::ReadDirect).unwrap();
    let mut queue = disk.queue(4).unwrap();
    queue.write(1, &file, 0, filled(BLOCK, 9));
    let ended = finish(queue.as_mut());
    assert!(ended[&1].result.is_err());
    assert_eq!(ended[&1].buf.as_deref(), Some(&[9; BLOCK][..]));
    assert!(file.write_at(&filled(BLOCK, 9), 0).is_err());
    assert_eq!(bytes_of(disk, "a"), [0; BLOCK]);
}

pub fn waiting_for_nothing_ends_with_the_limit(disk: &Arc<dyn Disk>) {
    let mut queue = disk.queue(4).unwrap();
    assert!(queue.wait(Some(Duration::ZERO)).unwrap().is_empty());
    let limit = Some(Duration::from_millis(5));
    assert!(queue.wait(limit).unwrap().is_empty());
}

pub fn waiting_without_patience_still_gets_everything_done(disk: &Arc<dyn Disk>) {
    let file = create(disk, "a");
    let mut queue = disk.queue(2).unwrap();
    for token in 0..8 {
        queue.write(token, &file, token * BLOCK as u64, filled(BLOCK, 1));
    }
    let mut ended = 0;
    while ended < 8 {
        ended += queue.wait(Some(Duration::ZERO)).unwrap().len();
    }
    assert_eq!(queue.in_flight(), 0);
}

pub fn a_wake_between_two_waits_is_not_lost_and_counts_once(disk: &Arc<dyn Disk>) {
    let mut queue = disk.queue(4).unwrap();
    let waker = queue.waker();
    for _ in 0..3 {
        waker.wake();
        waker.wake();
        assert!(queue.wait(None).unwrap().is_empty());
        assert!(queue.wait(Some(Duration::ZERO)).unwrap().is_empty());
    }
}

pub fn a_wake_from_another_thread_ends_each_wait(disk: &Arc<dyn Disk>) {
    const ROUNDS: usize = 200;
    let mut queue = disk.queue(4).unwrap();
    let waker = queue.waker();
    let (told, tells) = std::sync::mpsc::sync_channel(0);
    let thread = std::thread::spawn(move || {
        for () in tells {
            waker.wake();
        }
    });
    for _ in 0..ROUNDS {
        told.send(()).unwrap();
        assert!(queue.wait(None).unwrap().is_empty());
    }
    drop(told);
    thread.join().unwrap();
}

pub fn a_waker_outlives_its_queue(disk: &Arc<dyn Disk>) {
    let waker = disk.queue(4).unwrap().waker();
    waker.wake();
}

pub fn a_queue_is_made_on_one_thread_and_owned_by_another(disk: &Arc<dyn Disk>) {
    let file = create(disk, "a");
    let mut queue = disk.queue(4).unwrap();
    let owner = std::thread::spawn(move || {
        queue.write(1, &file, 0, filled(BLOCK, 1));
        finish(queue.as_mut()).len()
    });
    assert_eq!(owner.join().unwrap(), 1);
    assert_eq!(bytes_of(disk, "a"), [1; BLOCK]);
}

pub fn dropping_a_queue_finishes_what_was_submitted(disk: &Arc<dyn Disk>) {
    let file = create(disk, "a");
    let mut queue = disk.queue(2).unwrap();
    for number in 0..20_u8 {
        let offset = u64::from(number) * BLOCK as u64;
        queue.write(number.into(), &file, offset, filled(BLOCK, number + 1));
    }
    drop(queue);
    let content = bytes_of(disk, "a");
    assert_eq!(content.len(), 20 * BLOCK);
    assert!(!content.contains(&0));
}

pub fn a_queue_keeps_files_open_that_nobody_else_does(disk: &Arc<dyn Disk>) {
    let mut queue = disk.queue(2).unwrap();
    for number in 0..8_u8 {
        let name = format!("file-{number}");
        let file = create(disk, &name);
        queue.write(number.into(), &file, 0, filled(BLOCK, number));
    }
    for completion in finish(queue.as_mut()).into_values() {
        completion.result.unwrap();
    }
    for number in 0..8_u8 {
        assert_eq!(bytes_of(disk, &format!("file-{number}")), [number; BLOCK]);
    }
}

pub fn folders_are_listed_sorted_and_one_level_deep(disk: &Arc<dyn Disk>) {
    assert!(disk.list(&DiskPath::root()).unwrap().is_empty());
    for name in ["b", "c-d", "a"] {
        create(disk, name);
    }
    disk.create_dir(&path("c")).unwrap();
    disk.create_dir(&path("c")).unwrap();
    let inside = path("c").join("inside");
    disk.open(&inside, OpenMode::CreateDirect).unwrap();
    disk.sync_dir(&path("c")).unwrap();
    disk.sync_dir(&DiskPath::root()).unwrap();
    assert_eq!(
        disk.list(&DiskPath::root()).unwrap(),
        ["a", "b", "c", "c-d"]
    );
    assert_eq!(disk.list(&path("c")).unwrap(), ["inside"]);
    assert!(disk.exists(&inside).unwrap());
    assert!(disk.exists(&path("c")).unwrap());
    assert!(disk.exists(&DiskPath::root()).unwrap());
    assert!(!disk.exists(&path("d")).unwrap());
}

pub fn what_is_missing_is_not_found(disk: &Arc<dyn Disk>) {
    let missing = path("missing");
    let inside = missing.join("inside");
    let kinds = [
        disk.open(&missing, OpenMode::Read).err(),
        disk.open(&missing, OpenMode::ReadDirect).err(),
        disk.open(&missing, OpenMode::WriteDirect).err(),
        disk.open(&inside, OpenMode::CreateDirect).err(),
        disk.list(&missing).err(),
        disk.rename(&missing, &path("other")).err(),
        disk.remove(&missing).err(),
        disk.sync_dir(&missing).err(),
        disk.create_dir(&inside).err(),
    ]
    .map(|error| error.map(|error| error.kind()));
    assert_eq!(kinds, [Some(ErrorKind::NotFound); 9]);
    assert!(!disk.exists(&inside).unwrap());
}

pub fn what_exists_is_not_created_again(disk: &Arc<dyn Disk>) {
    create(disk, "a");
    let again = disk.open(&path("a"), OpenMode::CreateDirect).err().unwrap();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    let folder = disk.create_dir(&path("a")).unwrap_err();
    assert_eq!(folder.kind(), ErrorKind::AlreadyExists);
}

pub fn a_rename_replaces_and_older_handles_keep_what_they_had(disk: &Arc<dyn Disk>) {
    let old = blocks(disk, "a", 1);
    create(disk, "b").write_at(&filled(BLOCK, 5), 0).unwrap();
    disk.rename(&path("b"), &path("a")).unwrap();
    assert_eq!(disk.list(&DiskPath::root()).unwrap(), ["a"]);
    assert_eq!(bytes_of(disk, "a"), [5; BLOCK]);
    let mut buf = AlignedBuf::zeroed(BLOCK);
    old.read_at(&mut buf, 0).unwrap();
    assert_eq!(*buf, [0; BLOCK]);
}

pub fn a_removed_file_is_read_by_who_has_it_open(disk: &Arc<dyn Disk>) {
    let file = blocks(disk, "a", 2);
    disk.remove(&path("a")).unwrap();
    assert!(!disk.exists(&path("a")).unwrap());
    let mut buf = AlignedBuf::zeroed(BLOCK);
    file.read_at(&mut buf, BLOCK as u64).unwrap();
    assert_eq!(*buf, [1; BLOCK]);
}

pub fn allocation_makes_a_file_longer_and_never_shorter(disk: &Arc<dyn Disk>) {
    let file = blocks(disk, "a", 1);
    file.allocate(8 * BLOCK as u64).unwrap();
    assert_eq!(file.len().unwrap(), 8 * BLOCK as u64);
    file.allocate(BLOCK as u64).unwrap();
    file.allocate(0).unwrap();
    assert_eq!(file.len().unwrap(), 8 * BLOCK as u64);
    file.write_at(&filled(BLOCK, 4), 4 * BLOCK as u64).unwrap();
    assert_eq!(file.len().unwrap(), 8 * BLOCK as u64);
}

pub fn a_file_is_cut_and_extended_with_zeros(disk: &Arc<dyn Disk>) {
    let file = create(disk, "a");
    file.write_at(&filled(BLOCK, 3), 0).unwrap();
    file.set_len(10).unwrap();
    assert_eq!(bytes_of(disk, "a"), [3; 10]);
    file.set_len(20).unwrap();
    assert_eq!(bytes_of(disk, "a")[10..], [0; 10]);
}

pub fn a_gap_reads_as_zeros(disk: &Arc<dyn Disk>) {
    let file = create(disk, "a");
    file.write_at(&filled(BLOCK, 3), 2 * BLOCK as u64).unwrap();
    let content = bytes_of(disk, "a");
    assert_eq!(content[..2 * BLOCK], [0; 2 * BLOCK]);
    assert_eq!(content[2 * BLOCK..], [3; BLOCK]);
}

pub fn an_existing_file_is_changed_in_place(disk: &Arc<dyn Disk>) {
    blocks(disk, "a", 3);
    let file = disk.open(&path("a"), OpenMode::WriteDirect).unwrap();
    file.write_at(&filled(BLOCK, 9), BLOCK as u64).unwrap();
    file.sync_data().unwrap();
    let content = bytes_of(disk, "a");
    let heads: Vec<u8> = content.chunks(BLOCK).map(|block| block[0]).collect();
    assert_eq!(heads, [0, 9, 2]);
}

pub fn alignment_is_told_and_enough(disk: &Arc<dyn Disk>) {
    let file = blocks(disk, "a", 2);
    let alignment = file.alignment();
    assert!(alignment.is_power_of_two() && alignment <= AlignedBuf::ALIGNMENT);
    file.write_at(&filled(alignment, 9), alignment as u64)
        .unwrap();
    let mut buf = AlignedBuf::zeroed(3 * alignment);
    file.read_at(&mut buf, 0).unwrap();
    assert_eq!(buf[alignment..2 * alignment], vec![9; alignment]);
    let cached = disk.open(&path("a"), OpenMode::Read).unwrap();
    assert_eq!(cached.alignment(), 1);
    let mut odd = [0; 7];
    assert_eq!(cached.read_at(&mut odd, alignment as u64 - 3).unwrap(), 7);
    assert_eq!(odd, [0, 0, 0, 9, 9, 9, 9]);
}

pub fn the_page_cache_gives_the_right_bytes_or_none(disk: &Arc<dyn Disk>) {
    blocks(disk, "a", 2);
    let cached = disk.open(&path("a"), OpenMode::Read).unwrap();
    let mut buf = [0; 100];
    let offset = BLOCK as u64 - 50;
    cached.read_at(&mut buf, offset).unwrap();
    for _ in 0..50 {
        let mut buf = [7; 100];
        if let Some(read) = cached.try_read_at(&mut buf, offset).unwrap() {
            assert!((1..=100).contains(&read));
            let right: Vec<u8> = (0..read).map(|at| u8::from(at >= 50)).collect();
            assert_eq!(buf[..read], right);
        }
        if let Some(read) = cached.try_read_at(&mut buf, 2 * BLOCK as u64).unwrap() {
            assert_eq!(read, 0, "nothing lies behind the end");
        }
    }
    let direct = disk.open(&path("a"), OpenMode::ReadDirect).unwrap();
    if direct.alignment() > 1 {
        let mut buf = AlignedBuf::zeroed(BLOCK);
        assert!(direct.try_read_at(&mut buf, 0).unwrap().is_none());
    }
}

pub fn what_files_below_a_folder_take_is_told(disk: &Arc<dyn Disk>) {
    disk.create_dir(&path("d")).unwrap();
    assert_eq!(disk.allocated(&path("d")).unwrap(), 0);
    disk.create_dir(&path("d").join("e")).unwrap();
    create(disk, "outside").allocate(4 << 20).unwrap();
    for place in [path("d").join("a"), path("d").join("e").join("b")] {
        let file = disk.open(&place, OpenMode::CreateDirect);
        file.unwrap().allocate(1 << 20).unwrap();
    }
    // A file system may add some blocks of its own.
    let allocated = disk.allocated(&path("d")).unwrap();
    assert!((2 << 20..3 << 20).contains(&allocated), "{allocated}");
    let missing = disk.allocated(&path("missing")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

pub fn space_is_told(disk: &Arc<dyn Disk>) {
    let space = disk.space().unwrap();
    assert!(space.total > 0 && space.free > 0 && space.free <= space.total);
}
