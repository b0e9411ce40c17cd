//! Why an exchange failed: the innermost cause of the HTTP client's errors, and its remedy.

use std::error::Error as _;
use std::io;

use crate::text;

/// The innermost cause of a client error, and the remedy if it is a usual one.
pub(crate) fn explain(error: &reqwest::Error) -> (String, &'static str) {
    // Not the error's own text, which shows the whole URL.
    let mut cause = "the request failed".to_owned();
    let mut next = error.source();
    while let Some(inner) = next {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            let known = match io.kind() {
                io::ErrorKind::ConnectionRefused => Some((
                    "connection refused",
                    ": is the registry running, and are host and port right?",
                )),
                io::ErrorKind::ConnectionReset => Some(("connection reset by the server", "")),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => {
                    Some(("connection closed by the server", ""))
                }
                _ => None,
            };
            if let Some((cause, hint)) = known {
                return (cause.to_owned(), hint);
            }
        }
        cause = inner.to_string();
        next = inner.source();
    }
    let cause = text::printable(&cause, text::MESSAGE_LIMIT);
    let hint = if error.is_timeout() {
        return ("connection timed out".to_owned(), ": is the registry reachable from here?");
    } else if error.is_dns() {
        ": is the name right, and does the proxy or resolver know it?"
    } else if cause.contains("UnknownIssuer") || cause.contains("CaUsedAsEndEntity") {
        ": give the registry's CA certificate, or name one in SSL_CERT_FILE"
    } else if cause.contains("InvalidContentType") {
        ": the server does not speak TLS; declare the registry as insecure (plain HTTP)"
    } else if ["CertificateRequired", "BadCertificate"].iter().any(|alert| cause.contains(alert)) {
        // The alert for a missing certificate in TLS 1.3, and what Go's servers send in its place.
        ": the registry wants a client certificate that it knows"
    } else {
        ""
    };
    (cause, hint)
}

/// Whether TLS itself failed: a certificate or protocol does not get better by trying again.
pub(crate) fn is_tls(error: &reqwest::Error) -> bool {
    let mut next = error.source();
    while let Some(inner) = next {
        // rustls' errors travel inside of I/O errors of this kind.
        let io = inner.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::InvalidData) {
            return true;
        }
        next = inner.source();
    }
    false
}
