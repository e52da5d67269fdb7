//! XML bodies, against `quick-xml`: what the guard lets through is one plain document to that parser too, and to `s3s`.

use crate::acl;
use crate::body::xml::{ATTRIBUTES_MAX, DEPTH_MAX, Document};
use moraine_engine::TenantId;
use quick_xml::events::{BytesStart, Event};
use s3s::dto::{AccessControlPolicy, CompletedMultipartUpload, Delete};
use s3s::xml::{Deserialize, Deserializer};

/// Attacks `body::xml`. The first byte says where the body is cut in two.
pub fn xml(data: &[u8]) {
    let Some((cut, body)) = data.split_first() else {
        return;
    };
    let accepted = accepts(&[body]);
    let cut = usize::from(*cut).min(body.len());
    let (one, two) = body.split_at_checked(cut).unwrap_or((body, &[]));
    assert_eq!(accepted, accepts(&[one, two]), "in two pieces");
    let single: Vec<&[u8]> = body.chunks(1).collect();
    assert_eq!(accepted, accepts(&single), "byte by byte");
    // No body at all is for the operation to judge: some requests may come without one.
    if accepted && !body.is_empty() {
        let objects = plain(body);
        let mut source = Deserializer::new(body);
        if let Ok(delete) = Delete::deserialize(&mut source) {
            assert_eq!(delete.objects.len(), objects, "s3s sees other objects");
        }
        if let Ok(policy) = AccessControlPolicy::deserialize(&mut Deserializer::new(body)) {
            let _ = acl::from_policy(&policy, TenantId(1));
        }
        let _ = CompletedMultipartUpload::deserialize(&mut Deserializer::new(body));
    }
}

fn accepts(pieces: &[&[u8]]) -> bool {
    let mut document = Document::new();
    pieces.iter().all(|piece| document.observe(piece).is_ok()) && document.finish().is_ok()
}

/// Checks that the document is plain, and counts the elements `Object` right below the root.
fn plain(body: &[u8]) -> usize {
    let text = std::str::from_utf8(body);
    assert!(text.is_ok(), "not UTF-8");
    let mut reader = quick_xml::Reader::from_reader(body);
    let (mut depth, mut roots, mut objects) = (0, 0, 0);
    loop {
        let event = reader.read_event();
        match event {
            Ok(Event::Start(start)) => {
                attributes(&start);
                roots += usize::from(depth == 0);
                objects += usize::from(depth == 1 && start.local_name().as_ref() == b"Object");
                depth += 1;
                assert!(depth <= DEPTH_MAX, "{depth} deep");
            }
            Ok(Event::Empty(empty)) => {
                attributes(&empty);
                roots += usize::from(depth == 0);
                objects += usize::from(depth == 1 && empty.local_name().as_ref() == b"Object");
            }
            Ok(Event::End(_)) => depth -= 1,
            Ok(Event::Text(text)) => {
                assert!(
                    depth > 0 || text.iter().all(u8::is_ascii_whitespace),
                    "text outside"
                );
            }
            Ok(Event::GeneralRef(_)) => assert!(depth > 0, "a reference outside"),
            Ok(Event::Decl(_)) => assert_eq!(roots, 0, "a declaration inside"),
            Ok(Event::Eof) => break,
            Ok(other) => panic!("{other:?} was let through"),
            Err(error) => panic!("not well-formed: {error}"),
        }
    }
    assert_eq!((depth, roots), (0, 1), "one root");
    objects
}

fn attributes(start: &BytesStart<'_>) {
    let all: Result<Vec<_>, _> = start.attributes().collect();
    assert!(
        all.is_ok_and(|all| all.len() <= ATTRIBUTES_MAX),
        "attributes of {start:?}"
    );
}
