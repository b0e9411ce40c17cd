//! The grammar of the POSIX shell.
