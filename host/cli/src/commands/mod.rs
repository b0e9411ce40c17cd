//! One module a subcommand.

pub(crate) mod build;
pub(crate) mod check;
mod context;
pub(crate) mod doctor;
pub(crate) mod plan;
mod request;
mod results;
mod secrets;
mod services;
