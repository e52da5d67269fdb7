//! The blocking implementation: plain system calls, on threads.
