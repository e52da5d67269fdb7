//! Every operation, by everyone, on everything: the cross product, each request on a world that is as it was made.

use crate::ask::{Ask, At, Bytes, How, If, Listing, Op, UploadAt, Who};
use crate::server::TestServer;
use crate::state::etag_of;
use crate::world::{TENANTS, World, own_key};

/// Everyone who may ask, with the number of the key that the world deleted.
fn everyone() -> Vec<(Who, bool)> {
    let mut all = vec![(Who::Anonymous, false)];
    for link in [false, true] {
        all.extend((0..TENANTS).map(|key| (Who::Key(key), link)));
        all.push((Who::Key(TENANTS), link));
        all.push((Who::Forger(0), link));
        all.push((Who::Forger(1), link));
        all.push((Who::Forger(TENANTS), link));
        all.push((Who::Stranger, link));
    }
    all
}

const BUCKETS: [&str; 5] = ["media", "open", "theirs", "shared", "missing"];

fn bucket_ops(world: &World) -> Vec<Op> {
    let mut ops = vec![Op::ListBuckets];
    for name in BUCKETS {
        let bucket = || world.bucket(name);
        ops.extend([
            Op::CreateBucket(bucket()),
            Op::HeadBucket(bucket()),
            Op::DeleteBucket(bucket()),
            Op::GetBucketLocation(bucket()),
            Op::GetBucketVersioning(bucket()),
            Op::GetBucketAcl(bucket()),
            Op::PutBucketAcl(bucket(), false),
            Op::PutBucketAcl(bucket(), true),
            Op::List(bucket(), Listing::V1),
            Op::List(bucket(), Listing::V2),
            Op::List(bucket(), Listing::Versions),
            Op::ListMultipartUploads(bucket()),
            Op::DeleteObjects(
                bucket(),
                vec!["same/private".to_owned(), own_key(0), own_key(1)],
            ),
        ]);
        let unknown = |method, key: Option<&str>, query| {
            Op::Unknown(method, bucket(), key.map(str::to_owned), query)
        };
        for query in [
            "?policy",
            "?cors",
            "?lifecycle",
            "?website",
            "?tagging",
            "?x",
        ] {
            ops.extend(["GET", "PUT", "DELETE"].map(|method| unknown(method, None, query)));
        }
        ops.push(unknown("POST", None, ""));
        for (method, query) in [
            ("GET", "?attributes"),
            ("GET", "?retention"),
            ("GET", "?legal-hold"),
            ("GET", "?torrent"),
            ("PUT", "?tagging"),
            ("PUT", "?retention"),
            ("PUT", "?x"),
            ("DELETE", "?tagging"),
            ("DELETE", "?x"),
            ("POST", "?restore"),
            ("POST", "?select&select-type=2"),
            ("POST", "?x"),
        ] {
            ops.push(unknown(method, Some("same/public"), query));
        }
    }
    ops
}

fn object_ops(world: &World) -> Vec<Op> {
    let mut ops = vec![];
    for at in places(world) {
        let etag = etag_of(&world.content(0, 1));
        let reads = [
            How::Whole,
            How::Head,
            How::FirstByte,
            How::Unless(etag),
            How::Version,
            How::Override,
        ];
        ops.extend(reads.map(|how| Op::Get(at.clone(), how)));
        let bytes = || Bytes(world.content(2, 3));
        ops.extend([
            Op::Put(at.clone(), bytes(), false, If::Always),
            Op::Put(at.clone(), bytes(), true, If::Always),
            Op::Put(at.clone(), bytes(), false, If::Absent),
            Op::Delete(at.clone()),
            Op::GetObjectAcl(at.clone()),
            Op::PutObjectAcl(at.clone(), false),
            Op::PutObjectAcl(at.clone(), true),
            Op::GetObjectTagging(at.clone()),
            Op::CreateMultipartUpload(at, false),
        ]);
    }
    ops
}

fn places(world: &World) -> Vec<At> {
    let keys = ["same/private", "same/public", "missing"];
    let all = BUCKETS
        .iter()
        .flat_map(|bucket| keys.map(|key| world.at(bucket, key)));
    all.collect()
}

fn copy_ops(world: &World) -> Vec<Op> {
    let mut ops = vec![];
    for from in places(world) {
        for bucket in BUCKETS {
            let to = world.at(bucket, "copy");
            ops.push(Op::Copy {
                from: from.clone(),
                to,
                public: false,
                replace: false,
            });
            let number = BUCKETS.iter().position(|it| *it == bucket).unwrap();
            let at = world.at(bucket, "same/upload");
            ops.push(Op::UploadPartCopy(UploadAt { at, number }, 3, from.clone()));
        }
        let replace = |replace| Op::Copy {
            from: from.clone(),
            to: from.clone(),
            public: false,
            replace,
        };
        ops.extend([replace(false), replace(true)]);
    }
    ops
}

fn upload_ops(world: &World) -> Vec<Op> {
    let mut ops = vec![];
    let etag = |tenant| etag_of(&world.content(tenant, 2));
    // Each upload at its own place, at that of another, and one that never was.
    for (at, bucket) in BUCKETS.iter().enumerate() {
        for number in [at, (at + 2) % 4, 99] {
            let upload = || UploadAt {
                at: world.at(bucket, "same/upload"),
                number,
            };
            ops.extend([
                Op::UploadPart(upload(), 1, Bytes(world.content(2, 3))),
                Op::ListParts(upload()),
                Op::CompleteMultipartUpload(upload(), vec![(2, etag(0))]),
                Op::CompleteMultipartUpload(upload(), vec![(2, etag(1))]),
                Op::CompleteMultipartUpload(upload(), vec![]),
                Op::AbortMultipartUpload(upload()),
            ]);
        }
        let at = world.at(bucket, "same/private");
        ops.push(Op::ListParts(UploadAt { at, number: 0 }));
    }
    ops
}

/// Differences that are told before the run ends.
const TOLD_MAX: usize = 25;

/// Runs the cases on one server; a world is made anew once it was changed.
async fn run(ops: fn(&World) -> Vec<Op>, least: (usize, usize)) {
    let server = TestServer::start().await;
    let mut number = 0;
    let mut world = World::furnished(&server, number).await;
    let cases = ops(&world).len();
    let (mut asked, mut granted, mut wrong) = (0, 0, vec![]);
    for (case, (who, link)) in
        (0..cases).flat_map(|case| everyone().into_iter().map(move |it| (case, it)))
    {
        let op = ops(&world)[case].clone();
        let before = world.model.clone();
        let answer = world.ask(&Ask { who, link, op }).await;
        asked += 1;
        granted += usize::from(answer.as_ref().is_ok_and(|it| !it.refused()));
        let changed = world.model != before;
        let compared = match changed && answer.is_ok() {
            true => world.compare().await,
            false => Ok(()),
        };
        let different = answer.err().or(compared.err());
        if changed || different.is_some() {
            number += 1;
            world = World::furnished(&server, number).await;
        }
        wrong.extend(different);
        if wrong.len() == TOLD_MAX {
            break;
        }
    }
    world.compare().await.unwrap();
    println!("{asked} cases, {granted} granted, {number} worlds");
    assert!(
        wrong.is_empty(),
        "{} differences:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        (asked, granted) >= least && granted >= least.1,
        "only {asked} cases, {granted} granted"
    );
}

#[tokio::test]
async fn on_buckets() {
    run(bucket_ops, (3_700, 80)).await;
}

#[tokio::test]
async fn on_objects() {
    run(object_ops, (3_800, 280)).await;
}

#[tokio::test]
async fn copies() {
    run(copy_ops, (3_000, 80)).await;
}

#[tokio::test]
async fn on_uploads() {
    run(upload_ops, (1_600, 30)).await;
}
