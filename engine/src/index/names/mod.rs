//! The name index: (bucket id, key) -> version, blob id, attributes; and the reverse, blob id -> names.
