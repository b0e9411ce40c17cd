//! Steps run from end to end: a rootfs, a script, and what is there afterwards.

mod bash_cases;
mod dash_cases;
mod eligible;
mod harness;
mod hostile;
mod limits;
mod nested;
mod smoke;
mod transaction;
