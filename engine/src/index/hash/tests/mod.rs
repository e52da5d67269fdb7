//! Tests of the whole index.
