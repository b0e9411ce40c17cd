//! The client against registries: one in memory that misbehaves on request, and a real one.

mod handlers;
mod pull;
mod server;
mod support;
