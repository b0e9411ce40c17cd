//! Pull and push by the OCI distribution spec.
mod auth;
mod body;
mod challenge;
mod client;
mod config;
mod credentials;
mod endpoint;
mod error;
mod http;
mod range;
mod retry;
mod scope;
mod secret;
mod text;
mod token;
mod wire;

pub use config::{Config, RegistryOptions, Timeouts, Warn};
pub use error::{AuthError, Credentials, Error, ErrorKind, Reported, Result, StatusError};
pub use retry::RetryPolicy;
