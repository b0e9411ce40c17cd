//! The client against registries: one in memory that misbehaves on request, and a real one.

mod auth;
mod handlers;
mod mirrors;
mod pull;
mod push;
mod real;
mod server;
mod support;
