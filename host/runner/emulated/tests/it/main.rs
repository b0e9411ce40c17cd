//! Steps under the emulated runner, as an unprivileged uid, on a rootfs made of this machine's own
//! programs.

#![expect(clippy::print_stdout, reason = "a skipped test says why")]

mod chroot;
mod debuggers;
mod deep;
mod differential;
mod ends;
mod escape;
mod exec;
mod full;
mod handles;
mod i386;
mod identity;
mod messages;
mod metadata;
mod pod;
mod ports;
mod processes;
mod schedule;
mod sharing;
mod shortcuts;
mod support;
mod sysv;
mod terminals;
mod truth;
mod view;
