//! The ledger's table: what an unprivileged file system cannot hold, keyed by inode.
//!
//! A process without privilege stores every file as its own. Owner, group, forbidden modes, device
//! numbers and file capabilities live in a table in memory that the builder and every process of a
//! step share. This crate is the table and the rules that turn a file's state on disk plus its
//! [`Record`] into what the image sees. It is `no_std`, allocates nothing, has no `unsafe` code and
//! no panicking path, so that a signal handler in a freestanding program can use it.
//!
//! # Trust
//! A hostile step can scribble over the mapping. Every index read from it is bounds-checked, every
//! loop is bounded and every value is clamped, so the worst it can do is to lie about the owners of
//! its own files. The memory itself must stay mapped: whoever maps the file sees to its length.
//!
//! # Layout
//! 32-bit words, native byte order: a header page, a hash index of record numbers, the records. The
//! index is laid out in blocks: neighbouring inodes share a block, so few records touch few pages.
#![no_std]
#![forbid(unsafe_code)]

mod record;
mod table;

pub use record::{Capability, Owner, Record, owner_seen, stored_mode};
pub use table::{Geometry, Key, Platform, Table, TableError};
