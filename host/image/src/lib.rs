//! OCI config, manifest, index, layers and the content store.
