//! When to try again, and after how long.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// How often and how patiently a request is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries after the first one.
    pub retries: u32,
    /// Wait before the first retry; it doubles from there.
    pub first_wait: Duration,
    /// Longest wait, also for what the server asks in `Retry-After`: a server must not be able to
    /// hang a build.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries: 5,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// The wait before retry number `retry` (from 0): exponential with jitter of +-25 %, so that
    /// many pods that failed together do not come back together. Never less than what the server
    /// asked for, unless that is more than the longest wait.
    pub(crate) fn wait(&self, retry: u32, asked: Option<Duration>) -> Duration {
        let doubled = self.first_wait.saturating_mul(2_u32.saturating_pow(retry));
        let backoff = doubled.min(self.longest_wait);
        let per_mille = 750 + u32::try_from(random() % 501).unwrap_or(0);
        let jittered = backoff / 1000 * per_mille;
        jittered.max(asked.unwrap_or_default()).min(self.longest_wait)
    }
}

/// Statuses that promise nothing about the next try. Other 4xx are final.
pub(crate) fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502..=504 | 507..=599)
}

/// `Retry-After` in seconds or as an HTTP date (RFC 9110 section 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    SystemTime::from(at).duration_since(now).ok()
}

/// A number that differs between processes; it needs no quality beyond that.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_bounded() {
        let policy = RetryPolicy {
            retries: 9,
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(2),
        };
        for (retry, low, high) in [(0, 75, 125), (1, 150, 250), (3, 600, 1000), (40, 1500, 2000)] {
            for _ in 0..50 {
                let wait = policy.wait(retry, None).as_millis();
                assert!((low..=high).contains(&wait), "retry {retry}: {wait} ms");
            }
        }
        assert_eq!(policy.wait(0, Some(Duration::from_secs(1))), Duration::from_secs(1));
        assert_eq!(policy.wait(0, Some(Duration::from_secs(900))), Duration::from_secs(2));
    }

    #[test]
    fn retry_after_forms() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_445_412_470);
        let cases = [
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(10)),
            ("Wed, 21 Oct 2015 07:20:00 GMT", None),
            ("-3", None),
            ("soon", None),
        ];
        for (value, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn only_transient_statuses_are_tried_again() {
        for (status, expected) in [
            (200, false),
            (404, false),
            (401, false),
            (408, true),
            (429, true),
            (500, true),
            (501, false),
            (503, true),
        ] {
            assert_eq!(is_transient(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }
}
