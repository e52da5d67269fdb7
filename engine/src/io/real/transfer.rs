//! How a transfer goes on after the kernel moved fewer bytes than asked: pure arithmetic, shared by the blocking calls
//! and the ring driver, so that the rule exists once.

/// Which way the bytes go; it decides what "fewer bytes than asked" means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::io) enum Direction {
    Read,
    Write,
}

/// What to do after the kernel moved some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::io) enum Step {
    /// Submit again from [`Transfer::done`].
    Continue,
    /// It is over, with [`Transfer::done`] bytes.
    Finished,
    /// A write that does not get on: an error, rather than a loop without end.
    Stuck,
}

/// A transfer of `len` bytes, of which `done` are through.
#[derive(Clone, Copy, Debug)]
pub(in crate::io) struct Transfer {
    direction: Direction,
    done: usize,
    len: usize,
    alignment: usize,
}

impl Transfer {
    /// A read of up to `len` bytes. `alignment` is the file's.
    pub const fn read(len: usize, alignment: usize) -> Self {
        Self {
            direction: Direction::Read,
            done: 0,
            len,
            alignment,
        }
    }

    /// A write of exactly `len` bytes. `alignment` is the file's.
    pub const fn write(len: usize, alignment: usize) -> Self {
        Self {
            direction: Direction::Write,
            done: 0,
            len,
            alignment,
        }
    }

    /// Bytes that are through: where the next attempt starts, relative to the first.
    pub const fn done(&self) -> usize {
        self.done
    }

    /// Bytes that the next attempt asks for.
    pub const fn remaining(&self) -> usize {
        self.len - self.done
    }

    /// Takes note that the kernel moved `moved` bytes from [`Self::done`] on.
    pub fn advance(&mut self, moved: usize) -> Step {
        let end = self.done + moved;
        assert!(
            end <= self.len,
            "the kernel moved {moved} bytes where {} were asked for",
            self.remaining()
        );
        if end == self.len {
            self.done = end;
            return Step::Finished;
        }
        match self.direction {
            // Past the page cache a read ends inside a block only at the end of the file; an attempt to go on from
            // there would be refused for its odd offset.
            Direction::Read => {
                self.done = end;
                if moved == 0 || !end.is_multiple_of(self.alignment) {
                    Step::Finished
                } else {
                    Step::Continue
                }
            }
            // The block that was cut is written again as a whole: the remainder must be aligned too.
            Direction::Write => {
                let from = end - end % self.alignment;
                if from <= self.done {
                    return Step::Stuck;
                }
                self.done = from;
                Step::Continue
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_goes_on_where_it_stopped_until_all_is_through() {
        let mut transfer = Transfer::write(10, 1);
        assert_eq!(transfer.advance(3), Step::Continue);
        assert_eq!((transfer.done(), transfer.remaining()), (3, 7));
        assert_eq!(transfer.advance(7), Step::Finished);
        assert_eq!(transfer.done(), 10);
    }

    #[test]
    fn a_write_cut_inside_a_block_repeats_that_block() {
        let mut transfer = Transfer::write(2048, 512);
        assert_eq!(transfer.advance(700), Step::Continue);
        assert_eq!((transfer.done(), transfer.remaining()), (512, 1536));
    }

    #[test]
    fn a_write_without_progress_is_stuck() {
        assert_eq!(Transfer::write(10, 1).advance(0), Step::Stuck);
        assert_eq!(Transfer::write(1024, 512).advance(511), Step::Stuck);
    }

    #[test]
    fn a_read_goes_on_until_nothing_more_comes() {
        let mut transfer = Transfer::read(10, 1);
        assert_eq!(transfer.advance(3), Step::Continue);
        assert_eq!(transfer.advance(0), Step::Finished);
        assert_eq!(transfer.done(), 3);
    }

    #[test]
    fn a_direct_read_that_ends_inside_a_block_has_met_the_end_of_the_file() {
        let mut transfer = Transfer::read(2048, 512);
        assert_eq!(transfer.advance(512), Step::Continue);
        assert_eq!(transfer.advance(100), Step::Finished);
        assert_eq!(transfer.done(), 612);
    }

    #[test]
    fn an_empty_transfer_finishes_at_once() {
        assert_eq!(Transfer::write(0, 512).advance(0), Step::Finished);
        assert_eq!(Transfer::read(0, 512).advance(0), Step::Finished);
    }
}
