//! The addresses that git takes, split into their parts.

/// An address of a repository.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) scheme: String,
    pub(super) host: String,
    /// The path with escapes resolved.
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    /// The fragment with escapes resolved.
    pub(super) fragment: String,
    /// The address without query and fragment.
    pub(super) text: String,
    /// `github.com/...` without scheme.
    pub(super) is_like_local: bool,
}

impl Remote {
    /// `None` for what is no address that git takes.
    pub(super) fn parse(source: &str) -> Option<Remote> {
        if source.starts_with("./") || source.starts_with("../") {
            return None;
        }
        if source.starts_with("github.com/") {
            let remote = with_scheme("https", source)?;
            return Some(Remote { is_like_local: true, ..remote });
        }
        match source.split_once("://") {
            Some((scheme, rest)) if is_word(scheme) => {
                let scheme = scheme.to_lowercase();
                let is_known = matches!(scheme.as_str(), "http" | "https" | "ssh" | "git");
                let mut remote = is_known.then(|| with_scheme(&scheme, rest)).flatten()?;
                remote.text = format!("{scheme}://{}", remote.text);
                Some(remote)
            }
            _ => scp_like(source),
        }
    }
}

/// Reads `host/path?query#fragment`.
fn with_scheme(scheme: &str, rest: &str) -> Option<Remote> {
    if rest.contains(|c: char| c.is_ascii_control()) {
        return None;
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (text, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = text.split_at(text.find('/').unwrap_or(text.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if !is_host(host) {
        return None;
    }
    Some(Remote {
        scheme: scheme.to_owned(),
        host: host.to_owned(),
        path: unescape(path, false)?,
        // What cannot be read is left out, as Go does.
        query: pairs(query).flatten().collect(),
        fragment: unescape(fragment, false)?,
        text: text.replace(' ', "%20"),
        is_like_local: false,
    })
}

/// Reads `user@host:path?query#fragment`.
fn scp_like(source: &str) -> Option<Remote> {
    let (user, rest) = source.split_once('@')?;
    let (host, rest) = rest.split_once(':')?;
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let is_user = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if user.is_empty() || host.is_empty() || rest.contains('\n') {
        return None;
    }
    if !user.chars().all(is_user) || !host.chars().all(is_host) {
        return None;
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    Some(Remote {
        scheme: "ssh".to_owned(),
        host: host.to_owned(),
        path: path.to_owned(),
        query: pairs(query).collect::<Option<_>>()?,
        fragment: fragment.to_owned(),
        text: format!("{user}@{host}:{path}"),
        is_like_local: false,
    })
}

/// A name or address and, after a colon, a port.
fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port),
        _ => (host, ""),
    };
    let is_open = name.starts_with('[') != name.ends_with(']');
    let is_odd = |c: char| c.is_whitespace() || "<>\"\\^`{|}%".contains(c);
    !is_open && !name.contains(is_odd) && port.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_word(scheme: &str) -> bool {
    !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The pairs of a query; `None` for one that cannot be read.
fn pairs(query: &str) -> impl Iterator<Item = Option<(String, String)>> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        // Go takes no ";" for a separator, and refuses it for not being one.
        (!pair.contains(';')).then_some(())?;
        Some((unescape(key, true)?, unescape(value, true)?))
    })
}

/// Resolves `%XX`, and `+` in a query.
fn unescape(text: &str, is_query: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'%' => {
                let digits = std::str::from_utf8(after.get(..2)?).ok()?;
                let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                bytes.push(is_hex.then(|| u8::from_str_radix(digits, 16).ok()).flatten()?);
                rest = &after[2..];
            }
            b'+' if is_query => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}
