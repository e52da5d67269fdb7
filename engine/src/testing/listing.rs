//! What a listing must show, computed from the model in the plainest way.

use super::model::{BucketState, Value};
use crate::{ListEntry, ListQuery, ListStart};

/// One line of a listing.
#[derive(Clone, PartialEq, Debug)]
#[expect(clippy::large_enum_variant, reason = "a handful live at a time")]
pub enum Line {
    /// An object.
    Object(Vec<u8>, Value),
    /// A common prefix.
    Prefix(Vec<u8>),
}

impl Line {
    /// Whether the store's entry is this line.
    pub fn describes(&self, entry: &ListEntry) -> bool {
        match (self, entry) {
            (Self::Object(key, value), ListEntry::Object(object)) => {
                *key == object.key && value.describes(object)
            }
            (Self::Prefix(prefix), ListEntry::Prefix(found)) => prefix == found,
            _ => false,
        }
    }
}

/// All lines of a query, over all pages.
pub fn expected(bucket: &BucketState, query: &ListQuery) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (key, value) in &bucket.objects {
        if matches!(&query.start, ListStart::AfterKey(after) if key <= after) {
            continue;
        }
        let Some(rest) = key.strip_prefix(query.prefix.as_slice()) else {
            continue;
        };
        let delimiter = &query.delimiter;
        let grouped = (!delimiter.is_empty()).then(|| {
            rest.windows(delimiter.len())
                .position(|part| part == delimiter)
        });
        let cut = grouped
            .flatten()
            .and_then(|at| key.get(..query.prefix.len() + at + delimiter.len()));
        let line = match cut {
            None => Line::Object(key.clone(), value.clone()),
            Some(prefix) => Line::Prefix(prefix.to_vec()),
        };
        if lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    lines
}
