//! The io_uring implementation.
