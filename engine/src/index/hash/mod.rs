//! The hash index: id of an extent or manifest -> where it lies.
