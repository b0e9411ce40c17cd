//! One module a subcommand.

pub(crate) mod build;
pub(crate) mod check;
mod context;
pub(crate) mod doctor;
mod secrets;
mod services;
