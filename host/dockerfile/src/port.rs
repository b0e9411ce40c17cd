//! Port specifications of `EXPOSE`: `80`, `80-90/udp`, and the forms with host parts that are read
//! but say nothing: `127.0.0.1:8080:80/tcp`.

use std::net::IpAddr;

use crate::quote::quote;

/// Ports that an image listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    /// The first port.
    pub first: u16,
    /// The last port, not below the first.
    pub last: u16,
    /// `tcp`, `udp` or `sctp` as written.
    pub protocol: String,
    /// An address or host port stands in front, which EXPOSE has no use for.
    pub has_host_part: bool,
}

/// Why a text is no port specification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// No port at all.
    #[error("invalid port: {}: no port specified", quote(.0))]
    Missing(String),
    /// Another protocol than tcp, udp, sctp.
    #[error("invalid port: {}: invalid proto: {protocol}", quote(.spec))]
    Protocol {
        /// The whole text.
        spec: String,
        /// The protocol.
        protocol: String,
    },
    /// A host part that is no IP address.
    #[error("invalid IP address: {0}")]
    Address(String),
    /// A port that is no number up to 65535, or a reversed range.
    #[error("invalid containerPort: {0}")]
    Container(String),
    /// The same of the host's port.
    #[error("invalid hostPort: {0}")]
    Host(String),
    /// Two ranges of unequal length.
    #[error("invalid ranges specified for container and host Ports: {container} and {host}")]
    Ranges {
        /// The container's range.
        container: String,
        /// The host's range.
        host: String,
    },
}

impl Ports {
    /// Reads one word of an EXPOSE.
    ///
    /// # Errors
    /// See [`PortError`].
    pub fn parse(spec: &str) -> Result<Ports, PortError> {
        let (front, container) = spec.rsplit_once(':').unwrap_or(("", spec));
        let (address, host) = front.rsplit_once(':').unwrap_or(("", front));
        let (ports, protocol) = container.split_once('/').unwrap_or((container, ""));
        if ports.is_empty() {
            return Err(PortError::Missing(spec.to_owned()));
        }
        let protocol = match protocol.to_lowercase().as_str() {
            "" => "tcp",
            "tcp" | "udp" | "sctp" => protocol,
            _ => {
                return Err(PortError::Protocol {
                    spec: spec.to_owned(),
                    protocol: protocol.to_owned(),
                });
            }
        };
        let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
        if !bare.is_empty() && bare.parse::<IpAddr>().is_err() {
            return Err(PortError::Address(bare.to_owned()));
        }
        let (first, last) = range(ports).ok_or_else(|| PortError::Container(ports.to_owned()))?;
        if !host.is_empty() {
            let (from, to) = range(host).ok_or_else(|| PortError::Host(host.to_owned()))?;
            if last - first != to - from && last != first {
                return Err(PortError::Ranges {
                    container: ports.to_owned(),
                    host: host.to_owned(),
                });
            }
        }
        let has_host_part = !address.is_empty() || !host.is_empty();
        Ok(Ports { first, last, protocol: protocol.to_owned(), has_host_part })
    }

    /// Each port as the image's config names it: `80/tcp`.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        let protocol = self.protocol.to_lowercase();
        (self.first..=self.last).map(move |port| format!("{port}/{protocol}"))
    }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

fn number(text: &str) -> Option<u16> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        let table: [(&str, &[&str], bool); 13] = [
            ("80", &["80/tcp"], false),
            ("80/UDP", &["80/udp"], false),
            ("80-82/sctp", &["80/sctp", "81/sctp", "82/sctp"], false),
            ("0", &["0/tcp"], false),
            ("8080:80", &["80/tcp"], true),
            ("1000-2000:80", &["80/tcp"], true),
            ("0.0.0.0:1234-1235:3333-3334/tcp", &["3333/tcp", "3334/tcp"], true),
            ("[2001:4860:0:2001::68]::333", &["333/tcp"], true),
            ("[::1]:80:80", &["80/tcp"], true),
            ("2001:4860:0:2001::68::333", &["333/tcp"], true),
            ("::1:80:80", &["80/tcp"], true),
            ("::::80", &["80/tcp"], true),
            ("65535-65535", &["65535/tcp"], false),
        ];
        for (spec, expected, has_host_part) in table {
            let ports = Ports::parse(spec).unwrap();
            assert_eq!(ports.names().collect::<Vec<_>>(), expected, "{spec}");
            assert_eq!(ports.has_host_part, has_host_part, "{spec}");
        }
    }

    #[test]
    fn errors_as_in_buildkit() {
        let table = [
            ("", "invalid port: \"\": no port specified"),
            (
                "0.0.0.0:1234-1235:/tcp",
                "invalid port: \"0.0.0.0:1234-1235:/tcp\": no port specified",
            ),
            ("80/http", "invalid port: \"80/http\": invalid proto: http"),
            ("localhost:1234:1234/tcp", "invalid IP address: localhost"),
            ("x", "invalid containerPort: x"),
            ("65536", "invalid containerPort: 65536"),
            ("-1", "invalid containerPort: -1"),
            ("9-8", "invalid containerPort: 9-8"),
            ("x:80", "invalid hostPort: x"),
            ("1-3:8-9", "invalid ranges specified for container and host Ports: 8-9 and 1-3"),
        ];
        for (spec, expected) in table {
            assert_eq!(Ports::parse(spec).unwrap_err().to_string(), expected, "{spec}");
        }
    }
}
