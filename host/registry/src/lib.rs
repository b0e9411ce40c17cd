//! Pull and push by the OCI distribution spec 1.1.
//!
//! [`Registry`] is the whole of it for callers: blocking methods over references, descriptors and
//! the content store. What it hides: mirrors, authentication, retries, resumed transfers. Everything
//! that is read is verified by its digest; nothing is ever whole in memory but manifests.
//!
//! From the outside in:
//! - `registry` (blocking) over `session` (asynchronous; chooses between mirrors and the registry);
//! - `manifests`, `pull`, `push` with `upload`, `listing`: the operations;
//! - `http`: authenticated requests, by `auth` (what to present), `token`, `scope`, `challenge`,
//!   `credentials` (auth files and helpers);
//! - `wire`: one exchange with redirects and time limits, and the retry loop; `client` (TLS,
//!   proxies), `metadata` (whom nobody may lead us to), `body`, `retry`, `cause` (of failures).
//!
//! The environment and the standard streams are the caller's: see [`Config`].
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use kiln_image::store::Store;
//! use kiln_registry::{Config, Registry};
//!
//! let registry = Registry::new(Config { env: std::env::vars().collect(), ..Config::default() })?;
//! let debian = "debian:12".parse()?;
//! let (descriptor, bytes) = registry.resolve(&debian)?;
//! let (digest, _) = Store::open("/var/tmp/kiln".as_ref())?.put(&bytes)?;
//! assert_eq!(digest, descriptor.digest);
//! # Ok(())
//! # }
//! ```

mod access;
mod auth;
mod body;
mod cause;
mod challenge;
mod client;
mod config;
mod credentials;
mod document;
mod endpoint;
mod error;
mod http;
mod listing;
mod manifests;
pub mod metadata;
mod pull;
mod push;
mod range;
mod referrers;
mod registry;
mod retry;
mod scope;
mod secret;
mod session;
mod text;
mod token;
mod upload;
mod wire;

pub use body::Progress;
pub use config::{Config, RegistryOptions, Timeouts, Warn};
pub use error::{AuthError, Credentials, Error, ErrorKind, Reported, Result, StatusError};
pub use manifests::PushedManifest;
pub use push::PushedBlob;
pub use registry::Registry;
pub use retry::RetryPolicy;
