//! A fixed history that does everything once: for the bars that fail each of its calls in turn.

use moraine_engine::testing::{Abandon, Completion, Content, IndexFault, Op, When};

fn put(key: &str, seed: u64, len: usize) -> Op {
    Op::Put {
        bucket: 0,
        key: key.into(),
        content: Content::Stream { seed, len },
        attributes: 2,
        when: When::Always,
        chunk: 1000,
    }
}

fn part(number: u16, seed: u64, len: usize) -> Op {
    Op::PutPart {
        upload: 0,
        number,
        content: Content::Stream { seed, len },
        chunk: usize::MAX,
    }
}

fn get(key: &str) -> Op {
    Op::Get {
        bucket: 0,
        key: key.into(),
    }
}

fn delete(key: &str) -> Op {
    Op::Delete {
        bucket: 0,
        key: key.into(),
        when: When::Always,
    }
}

/// The history.
#[expect(clippy::too_many_lines, reason = "a list")]
pub fn workload() -> Vec<Op> {
    let reopen = |clean| Op::Reopen {
        clean,
        fault: IndexFault::None,
    };
    let copy = Op::Copy {
        from: 0,
        from_key: "many".into(),
        bucket: 1,
        key: "copy".into(),
        attributes: None,
        when: When::Always,
    };
    let list = Op::List {
        bucket: 0,
        prefix: "".into(),
        delimiter: Some("/".into()),
        start_after: None,
        limit: 2,
    };
    let create = Op::CreateUpload {
        upload: 0,
        bucket: 0,
        key: "whole".into(),
        attributes: 1,
    };
    vec![
        Op::CreateBucket { bucket: 0 },
        put("a/small", 1, 100),
        put("a/two", 2, 2048),
        Op::Prepare,
        Op::Checkpoint,
        put("many", 3, 9000),
        Op::CreateBucket { bucket: 1 },
        copy,
        Op::Together(vec![
            put("x", 4, 5000),
            put("y", 4, 5000),
            put("x", 5, 10),
            get("many"),
        ]),
        Op::Seal,
        create,
        part(2, 7, 700),
        part(1, 6, 4096),
        reopen(false),
        get("many"),
        part(1, 8, 4096),
        Op::Complete {
            upload: 0,
            how: Completion::All,
            when: When::Absent,
        },
        Op::SetAcl {
            bucket: 0,
            key: "whole".into(),
            public: true,
        },
        delete("a/small"),
        Op::Abandon {
            content: Content::Stream { seed: 9, len: 6000 },
            how: Abandon::Staged,
        },
        Op::Idle { ms: 2000 },
        reopen(true),
        list,
        get("whole"),
        put("a/two", 10, 30_000),
        Op::Prepare,
        put("last", 11, 30_000),
        delete("many"),
        Op::Checkpoint,
        put("z", 12, 1),
        get("z"),
    ]
}
