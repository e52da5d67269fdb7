//! The S3 and HTTP gateway of Moraine.
#![forbid(unsafe_code)]
