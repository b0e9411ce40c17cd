//! What may be shown of URLs and of foreign text.

use reqwest::Url;

/// Longest piece of a server's text in a message: a hostile server must not flood the log.
pub(crate) const MESSAGE_LIMIT: usize = 400;

/// Scheme, host and path: query and user info may carry signatures and passwords.
pub(crate) fn public_url(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), host(url), url.path())
}

/// `host[:port]`.
pub(crate) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// `text` on one line, without control characters (terminal escapes), at most `limit` characters.
pub(crate) fn printable(text: &str, limit: usize) -> String {
    let mut line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(limit)
        .collect::<String>()
        .trim()
        .to_owned();
    if text.chars().nth(limit).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lose_their_secrets() {
        let cases = [
            ("https://u:p@s3.example/a/b?X-Signature=1#f", "https://s3.example/a/b"),
            ("http://[::1]:5000/v2/", "http://[::1]:5000/v2/"),
            ("https://h:443/v2/", "https://h/v2/"),
        ];
        for (url, expected) in cases {
            assert_eq!(public_url(&url.parse().unwrap()), expected);
        }
    }

    #[test]
    fn foreign_text_is_one_short_line() {
        assert_eq!(printable("a\x1b[2Jb\r\nc ", 100), "a [2Jb  c");
        assert_eq!(printable("äöü", 2), "äö…");
        assert_eq!(printable("äö", 2), "äö");
    }
}
