//! Byte ranges: `Content-Range` of downloads, `Range` of upload sessions.

/// The part of a blob that a 206 response carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContentRange {
    /// First byte.
    pub(crate) start: u64,
    /// Length of the whole, where the server knows it.
    pub(crate) total: Option<u64>,
}

impl ContentRange {
    /// Reads `bytes START-END/TOTAL` (RFC 9110 section 14.4); None when malformed.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let (range, total) = header.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (start, end) = range.trim().split_once('-')?;
        let (start, end) = (number(start)?, number(end)?);
        let total = match total.trim() {
            "*" => None,
            total => Some(number(total)?),
        };
        let inside = start <= end && total.is_none_or(|total| end < total);
        inside.then_some(Self { start, total })
    }
}

/// How many bytes an upload session holds, from the `Range: 0-END` of its status (OCI distribution
/// spec, "Pushing a blob in chunks"). Docker's registry says `0-0` for an empty session, so that is
/// read as empty; if it was one byte after all, the next chunk is refused and the upload restarts.
pub(crate) fn received(range: Option<&str>) -> Option<u64> {
    let Some(range) = range else { return Some(0) };
    let range = range.trim();
    let (start, end) = range.strip_prefix("bytes=").unwrap_or(range).split_once('-')?;
    let end = match (number(start)?, end.trim()) {
        (0, "-1") => return Some(0),
        (0, end) => number(end)?,
        _ => return None,
    };
    if end == 0 { Some(0) } else { end.checked_add(1) }
}

/// Digits only: `u64::from_str` would take a sign.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_range_is_read_without_panic(header in "(bytes )?[0-9*/ =-]*") {
            ContentRange::parse(&header);
            received(Some(&header));
        }
    }

    #[test]
    fn content_ranges() {
        let range = |start, total| Some(ContentRange { start, total });
        let cases = [
            ("bytes 5-9/10", range(5, Some(10))),
            ("bytes 0-0/1", range(0, Some(1))),
            ("bytes 5-9/*", range(5, None)),
            ("bytes 5-10/10", None),
            ("bytes 9-5/10", None),
            ("bytes */10", None),
            ("bytes +5-9/10", None),
            ("bytes 5-/10", None),
            ("5-9/10", None),
            ("bytes 99999999999999999999-9/10", None),
            ("", None),
        ];
        for (header, expected) in cases {
            assert_eq!(ContentRange::parse(header), expected, "{header}");
        }
    }

    #[test]
    fn upload_ranges() {
        let cases = [
            (None, Some(0)),
            (Some("0-0"), Some(0)),
            (Some("0--1"), Some(0)),
            (Some("0-1023"), Some(1024)),
            (Some("bytes=0-1023"), Some(1024)),
            (Some("10-20"), None),
            (Some("0-18446744073709551615"), None),
            (Some("nonsense"), None),
            (Some(""), None),
        ];
        for (header, expected) in cases {
            assert_eq!(received(header), expected, "{header:?}");
        }
    }
}
