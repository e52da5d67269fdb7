//! What the reader of XML takes and refuses.

use super::*;

/// What is wrong with the document, however its bytes are cut.
fn flaw(document: &[u8]) -> Option<Flaw> {
    let judge = |size: usize| {
        let mut it = Document::new();
        document
            .chunks(size)
            .try_for_each(|piece| it.observe(piece))
            .and_then(|()| it.finish())
            .err()
    };
    let whole = judge(document.len().max(1));
    for size in [1, 2, 7] {
        let shown = document.escape_ascii();
        assert_eq!(judge(size), whole, "{size} {shown}");
    }
    whole
}

#[track_caller]
fn passes(document: &str) {
    assert_eq!(flaw(document.as_bytes()), None, "{document}");
}

#[track_caller]
fn refused(document: &str, part: &str) {
    let flaw = flaw(document.as_bytes()).unwrap_or_else(|| panic!("{document} passes"));
    assert!(flaw.contains(part), "{document}: {flaw}");
}

#[test]
fn what_clients_send_passes() {
    passes("");
    passes("<Delete/>");
    passes(
        "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n  <Object><Key>a b/&amp;&lt;&#x20;&#13;&#128512;\u{e9}\u{1f600}</Key></Object>\n  <Quiet>true</Quiet>\n</Delete>\n",
    );
    passes(
        "<CompleteMultipartUpload><Part><ETag>&quot;x&quot;</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
    );
    passes(
        "<AccessControlPolicy><AccessControlList><Grant><Grantee xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:type = \"Group\"><URI>a&gt;b</URI></Grantee></Grant></AccessControlList></AccessControlPolicy >",
    );
    passes("<a b='>' c=\"it's &apos;\"><d /></a>");
}

#[test]
fn what_begins_with_an_exclamation_mark_is_refused() {
    for piece in [
        "<![CDATA[x]]>",
        "<!-- x -->",
        "<!DOCTYPE a>",
        "<!ENTITY x 'y'>",
    ] {
        refused(&format!("<a>{piece}</a>"), "not supported");
        refused(&format!("{piece}<a/>"), "not supported");
        refused(&format!("<a/>{piece}"), "not supported");
    }
}

#[test]
fn processing_instructions_are_refused() {
    refused("<?xml-stylesheet href='x'?><a/>", "processing instruction");
    refused("<?php x ?><a/>", "processing instruction");
    refused("<a><?xml version='1.0'?></a>", "processing instruction");
    refused(" <?xml version='1.0'?><a/>", "processing instruction");
    refused(
        &format!("<?xml {}?><a/>", "x".repeat(DECLARATION_BYTES_MAX)),
        "declaration",
    );
}

#[test]
fn references_are_to_characters() {
    for name in [
        "x",
        "nbsp",
        "",
        "#",
        "#x",
        "#0",
        "#xD800",
        "#x110000",
        "#+32",
        "#xFFFF",
        "#00000000032",
        "a b",
    ] {
        refused(&format!("<a>&{name};</a>"), "reference");
        refused(&format!("<a b='&{name};'/>"), "reference");
    }
    refused("<a>&amp</a>", "reference");
}

#[test]
fn depth_and_number_are_bounded() {
    let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
    passes(&nested(DEPTH_MAX));
    refused(&nested(DEPTH_MAX + 1), "nest");
    let mut deep = Document::new();
    assert!(
        deep.observe("<a>".repeat(100_000).as_bytes()).is_err() && deep.open.len() == DEPTH_MAX
    );
    passes(&format!("<a>{}</a>", "<b/>".repeat(CHILDREN_MAX)));
    let more = "<b/>".repeat(CHILDREN_MAX + 1);
    refused(&format!("<a>{more}</a>"), "too many");
}

#[test]
fn tags_are_bounded() {
    refused(&format!("<{}/>", "a".repeat(TAG_BYTES_MAX)), "long");
    refused(&format!("<a{}/>", " ".repeat(TAG_BYTES_MAX)), "long");
    let attributes: String = (0..=ATTRIBUTES_MAX).map(|n| format!(" a{n}=''")).collect();
    refused(&format!("<a{attributes}/>"), "attributes");
    refused("<a b='1' c='2' b = '3'/>", "one name");
}

#[test]
fn there_is_one_root_and_nothing_beside_it() {
    refused("<a/><b/>", "root");
    refused("<a></a><a>", "root");
    refused("x<a/>", "outside");
    refused("<a/>x", "outside");
    refused("<a/>&amp;", "outside");
    refused("<a/>\0", "character");
    refused(" ", "ends before");
    refused("\u{feff}", "ends before");
    refused("<a><b></b>", "ends before");
    refused("<a>", "ends before");
    refused("<a/", "ends before");
}

#[test]
fn tags_are_well_formed() {
    let documents = "<a b></a>;<a b=c></a>;<a b='<'/>;<a b='1'c='2'/>;< a/>;<a/ >;<1/>;<a \"b\"/>;<>;<a></a b='c'>";
    documents.split(';').for_each(|it| refused(it, "malformed"));
    refused("<a></b>", "another name");
    refused("<a><b></a></b>", "another name");
    refused("</a>", "ends nothing");
}

#[test]
fn elements_hold_text_or_elements() {
    refused("<a>x<b/></a>", "between");
    refused("<a><b/>x</a>", "between");
    passes("<a>\n<b/>\n</a>");
}

#[test]
fn numbers_are_digits() {
    for number in ["1x", " 1", "1 ", "-1", "&#49;", "+1", "1.0"] {
        refused(&format!("<PartNumber>{number}</PartNumber>"), "number");
    }
    passes("<PartNumber>10000</PartNumber>");
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    for bytes in [
        &b"<a>\xff</a>"[..],
        b"<a>\xc3</a>",
        b"<a>\xc0\xaf</a>",
        b"<a>\xed\xa0\x80</a>",
    ] {
        assert!(flaw(bytes).is_some_and(|flaw| flaw.contains("UTF-8")));
    }
    assert!(flaw(b"<a/>\xc3").is_some());
    assert!(flaw(b"<\0a/>").is_some());
}
