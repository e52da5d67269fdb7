//! One set of behaviours that every implementation of the disk shows.

/// Whether io_uring must work here. Nothing skips in silence: without the variable, a kernel that forbids rings fails the tests.
pub(crate) fn uring_expected() -> bool {
    let forbidden = std::env::var_os("MORAINE_TEST_NO_URING").is_some_and(|value| value == "1");
    if forbidden {
        println!("skipped: MORAINE_TEST_NO_URING=1 says that io_uring is forbidden here");
    }
    !forbidden
}
