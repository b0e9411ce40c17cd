//! The emulated runner's view of the world.
//!
//! A step's programs run in kiln's own pod without namespaces; what they must see (the image as
//! `/`, themselves as root, their files as owned by whom they were given to) is made up here. Each
//! trapped system call comes to [`dispatch::dispatch`], which answers it with other system calls
//! through the trait [`guest::Guest`]. The logic allocates nothing and has no `unsafe` code, so that
//! it can run in a signal handler of a freestanding program and in a test alike.
//!
//! This is no security boundary: the guest shares its address space with it. The wall is Landlock,
//! put up by the builder before the first instruction of the guest.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg(target_arch = "x86_64")]

pub mod abi;
mod acl;
pub mod arch;
pub mod attributes;
pub mod broker;
pub mod buf;
pub mod change;
pub mod config;
pub mod cred;
mod descriptors;
pub mod dispatch;
pub mod elf;
pub mod errno;
pub mod exec;
pub mod guest;
pub mod identity;
pub mod known;
pub mod message;
pub mod open;
mod ports;
pub mod processes;
mod signals;
pub mod socket;
pub mod special;
pub mod sysv;
pub mod walk;
pub mod world;
pub mod xattr;
