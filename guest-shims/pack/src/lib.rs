//! Compiles the guests ahead of time, and the format in which the binary carries them.
