//! OCI config, manifest, index, layers and the content store.
//!
//! This crate knows the formats an image is made of and how they lie on a disk. It does not talk
//! to a registry (`kiln-registry`), does not unpack layers (`kiln-rootfs`) and does not know
//! Dockerfiles.
//!
//! - [`digest`], [`reference`](mod@reference), [`media_type`]: the names of things.
//! - [`manifest`], [`platform`], [`config`]: the JSON documents.
//! - [`store`]: the content store, an OCI layout on disk.
//! - [`layer`]: layers as tar streams, in and out.
//! - [`layout`]: whole images as OCI layouts and archives, in and out.

pub mod config;
pub mod digest;
mod json;
pub mod layer;
pub mod layout;
pub mod manifest;
pub mod media_type;
pub mod platform;
pub mod reference;
pub mod store;
