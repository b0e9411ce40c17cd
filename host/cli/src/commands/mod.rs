//! One module a subcommand.

pub(crate) mod build;
mod call;
pub(crate) mod check;
mod context;
pub(crate) mod doctor;
mod outline;
pub(crate) mod plan;
mod request;
mod results;
mod secrets;
mod services;
