//! Why bytes are not the structure they were taken for.

/// What is wrong with some bytes. `what` names the structure or the field, in the words of `FORMAT.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Fewer bytes than the structure has.
    #[error("{what} is cut short")]
    Truncated {
        /// The structure.
        what: &'static str,
    },
    /// The bytes do not begin with the structure's magic.
    #[error("no {what} here")]
    Magic {
        /// The structure.
        what: &'static str,
    },
    /// A version that this program does not read.
    #[error("{what} has version {found}")]
    Version {
        /// The structure.
        what: &'static str,
        /// The version found.
        found: u32,
    },
    /// A checksum differs.
    #[error("the checksum of the {what} differs")]
    Checksum {
        /// The structure.
        what: &'static str,
    },
    /// The CRC32C of one block of a payload differs.
    #[error("block {index} of the payload does not verify")]
    Block {
        /// The block, counted from 0.
        index: usize,
    },
    /// A field holds a value that no writer writes.
    #[error("{what} cannot be {found}")]
    Range {
        /// The field.
        what: &'static str,
        /// Its value.
        found: u64,
    },
    /// A valid structure that belongs elsewhere: stale or foreign bytes, or a misdirected write.
    #[error("{what} is {found:#x}, not {expected:#x}: these bytes belong elsewhere")]
    Misplaced {
        /// The field.
        what: &'static str,
        /// What it would be here.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// Intact bytes whose content contradicts itself or breaks a limit.
    #[error("{what} is not valid")]
    Content {
        /// The structure or field.
        what: &'static str,
    },
}

/// A field that says where a structure belongs must have the value of this place.
pub(super) fn expect(what: &'static str, expected: u64, found: u64) -> Result<(), FormatError> {
    if expected == found {
        Ok(())
    } else {
        Err(FormatError::Misplaced {
            what,
            expected,
            found,
        })
    }
}
