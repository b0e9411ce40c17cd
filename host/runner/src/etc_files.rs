//! The files that a step gets from the machine it runs on, and that no layer ever holds.

use std::ffi::CString;
use std::io::Read;

/// Bytes of `/etc/resolv.conf` that are passed on: a bound, not a size that anyone has.
const MAX_RESOLV_CONF: u64 = 256 * 1024;

/// `HOST_NAME_MAX` of Linux.
const MAX_HOST_NAME: usize = 64;

/// One of the files.
#[derive(Debug)]
pub struct EtcFile {
    /// Its name in `/etc`.
    pub name: CString,
    /// What is in it.
    pub content: Vec<u8>,
}

/// The three files, with the text that BuildKit gives `/etc/hosts`.
///
/// `/etc/resolv.conf` is a copy of the host's, so that nothing a step does reaches the original.
///
/// # Errors
/// What is wrong with a name or an address: a line break in one would add lines of its own.
pub fn files(hostname: &str, extra_hosts: &[(String, String)]) -> Result<[EtcFile; 3], String> {
    if hostname.len() > MAX_HOST_NAME || !is_word(hostname) {
        return Err(format!("`{hostname}` is not a host name of 1 to {MAX_HOST_NAME} characters"));
    }
    let mut hosts =
        format!("127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    for (name, address) in extra_hosts {
        if !is_word(name) || !is_word(address) {
            return Err(format!("`{name}:{address}` is not a host name and an address"));
        }
        hosts.push_str(&format!("{address}\t{name}\n"));
    }
    Ok([
        EtcFile { name: c"hosts".into(), content: hosts.into_bytes() },
        EtcFile { name: c"hostname".into(), content: format!("{hostname}\n").into_bytes() },
        EtcFile { name: c"resolv.conf".into(), content: resolv_conf() },
    ])
}

/// The host's resolver configuration; none when it cannot be read, as on a machine without network.
fn resolv_conf() -> Vec<u8> {
    let mut content = Vec::new();
    let read = std::fs::File::open("/etc/resolv.conf")
        .and_then(|file| file.take(MAX_RESOLV_CONF).read_to_end(&mut content));
    if read.is_err() {
        content.clear();
    }
    content
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_has_the_extra_lines() {
        let extra = [("db".to_owned(), "10.0.0.7".to_owned())];
        let [hosts, hostname, _] = files("builder", &extra).unwrap();
        let expected = "127.0.0.1\tlocalhost builder\n\
            ::1\tlocalhost ip6-localhost ip6-loopback\n10.0.0.7\tdb\n";
        assert_eq!(String::from_utf8(hosts.content).unwrap(), expected);
        assert_eq!(hostname.content, b"builder\n");
    }

    #[test]
    fn no_name_adds_a_line() {
        assert!(files("", &[]).is_err());
        assert!(files("a\nb", &[]).is_err());
        assert!(files(&"x".repeat(65), &[]).is_err());
        for (name, address) in [("a", "1.2.3.4\n5.6.7.8 registry"), ("a b", "::1"), ("", "::1")] {
            assert!(files("h", &[(name.to_owned(), address.to_owned())]).is_err());
        }
    }
}
