//! Pull and push by the OCI distribution spec.
