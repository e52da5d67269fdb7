//! Every structure on disk: pure encoding and decoding, no I/O. `FORMAT.md` gives the bytes and the arguments.
