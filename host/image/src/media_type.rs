//! Media types of OCI and of Docker's schema 2, and what they say about compression.
//!
//! Source: OCI image-spec `media-types.md`; distribution `manifest-v2-2.md`.

/// An OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// An OCI image config.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// An OCI layer, uncompressed.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// An OCI layer, gzip.
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// An OCI layer, zstd.
pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
/// The two bytes `{}`: the config of an artifact without one.
pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// An in-toto statement: what attestation manifests hold.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// A Docker schema 2 manifest.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// A Docker manifest list, the counterpart of an index.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// A Docker image config.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// A Docker layer, uncompressed.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
/// A Docker layer, gzip.
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// A Docker layer, zstd; written by some tools though Docker never registered it.
pub const DOCKER_LAYER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";
/// A Docker layer that registries do not hold.
pub const DOCKER_FOREIGN_LAYER_GZIP: &str =
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

/// How a layer is compressed, with the level for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// gzip; level 0 to 9.
    Gzip {
        /// deflate's level, 0 (stored) to 9.
        level: u32,
    },
    /// zstd; level 1 to 22.
    Zstd {
        /// zstd's level, 1 to 22.
        level: i32,
    },
    /// A plain tar.
    None,
}

impl Compression {
    /// gzip at the level everybody uses, 6.
    pub const GZIP: Self = Self::Gzip { level: 6 };
    /// zstd at its own default level, 3.
    pub const ZSTD: Self = Self::Zstd { level: 3 };

    /// The compression that a layer's media type declares; `None` if it is not a layer's.
    ///
    /// The levels in the answer are the defaults: a media type does not tell the level.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        if !is_layer(media_type) {
            return None;
        }
        let compression = if media_type.ends_with("gzip") {
            Self::GZIP
        } else if media_type.ends_with("zstd") {
            Self::ZSTD
        } else {
            Self::None
        };
        Some(compression)
    }

    /// The OCI media type of a layer compressed so.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Gzip { .. } => OCI_LAYER_GZIP,
            Self::Zstd { .. } => OCI_LAYER_ZSTD,
            Self::None => OCI_LAYER,
        }
    }
}

/// Whether it is an image manifest, of OCI or Docker.
pub fn is_manifest(media_type: &str) -> bool {
    matches!(media_type, OCI_MANIFEST | DOCKER_MANIFEST)
}

/// Whether it is an index or manifest list.
pub fn is_index(media_type: &str) -> bool {
    matches!(media_type, OCI_INDEX | DOCKER_INDEX)
}

/// Whether it is an image's config, of OCI or Docker.
pub fn is_config(media_type: &str) -> bool {
    matches!(media_type, OCI_CONFIG | DOCKER_CONFIG)
}

/// Whether it is a file system layer, distributable or not.
pub fn is_layer(media_type: &str) -> bool {
    let (base, suffix) = match media_type.split_once('+') {
        Some((base, suffix)) => (base, Some(suffix)),
        None => (media_type, None),
    };
    match base {
        OCI_LAYER | "application/vnd.oci.image.layer.nondistributable.v1.tar" => {
            matches!(suffix, None | Some("gzip" | "zstd"))
        }
        _ => matches!(
            media_type,
            DOCKER_LAYER
                | DOCKER_LAYER_GZIP
                | DOCKER_LAYER_ZSTD
                | DOCKER_FOREIGN_LAYER_GZIP
                | "application/vnd.docker.image.rootfs.foreign.diff.tar"
        ),
    }
}

/// Docker's counterpart of an OCI media type; others are given back as they are.
pub fn to_docker(media_type: &str) -> &str {
    match media_type {
        OCI_MANIFEST => DOCKER_MANIFEST,
        OCI_INDEX => DOCKER_INDEX,
        OCI_CONFIG => DOCKER_CONFIG,
        OCI_LAYER => DOCKER_LAYER,
        OCI_LAYER_GZIP => DOCKER_LAYER_GZIP,
        OCI_LAYER_ZSTD => DOCKER_LAYER_ZSTD,
        other => other,
    }
}

/// OCI's counterpart of a Docker media type; others are given back as they are.
pub fn to_oci(media_type: &str) -> &str {
    match media_type {
        DOCKER_MANIFEST => OCI_MANIFEST,
        DOCKER_INDEX => OCI_INDEX,
        DOCKER_CONFIG => OCI_CONFIG,
        DOCKER_LAYER => OCI_LAYER,
        DOCKER_LAYER_GZIP => OCI_LAYER_GZIP,
        DOCKER_LAYER_ZSTD => OCI_LAYER_ZSTD,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compression_of_layers() {
        for (media_type, wanted) in [
            (OCI_LAYER, Some(Compression::None)),
            (OCI_LAYER_GZIP, Some(Compression::GZIP)),
            (OCI_LAYER_ZSTD, Some(Compression::ZSTD)),
            (DOCKER_LAYER, Some(Compression::None)),
            (DOCKER_LAYER_GZIP, Some(Compression::GZIP)),
            (DOCKER_FOREIGN_LAYER_GZIP, Some(Compression::GZIP)),
            (
                "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
                Some(Compression::GZIP),
            ),
            ("application/vnd.oci.image.layer.v1.tar+bzip2", None),
            (OCI_CONFIG, None),
            ("application/gzip", None),
        ] {
            assert_eq!(Compression::of_media_type(media_type), wanted, "{media_type}");
        }
    }

    #[test]
    fn docker_and_back() {
        for media_type in
            [OCI_MANIFEST, OCI_INDEX, OCI_CONFIG, OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD]
        {
            assert_ne!(to_docker(media_type), media_type);
            assert_eq!(to_oci(to_docker(media_type)), media_type);
        }
    }
}
