//! The runner on Linux namespaces.
