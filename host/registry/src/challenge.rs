//! The `WWW-Authenticate` header (RFC 9110 section 11.6.1; Docker's token scheme).

/// Most challenges and parameters read from a response: more is an attack, not a choice.
const MAX_CHALLENGES: usize = 16;
const MAX_PARAMETERS: usize = 32;

/// One way to authenticate that the server offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// Lower case: `bearer`, `basic`, …
    pub(crate) scheme: String,
    /// Names in lower case, in order.
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The value of a parameter; the name in lower case.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Reads one header value, which may hold several challenges. What does not parse ends the list:
/// the challenges before it still count.
pub(crate) fn parse(header: &str) -> Vec<Challenge> {
    let mut input = Scanner { rest: header };
    let mut challenges: Vec<Challenge> = Vec::new();
    while challenges.len() < MAX_CHALLENGES {
        input.skip_separators();
        let Some(scheme) = input.token() else { break };
        let mut challenge =
            Challenge { scheme: scheme.to_ascii_lowercase(), parameters: Vec::new() };
        let complete = input.parameters(&mut challenge.parameters);
        challenges.push(challenge);
        if !complete {
            break;
        }
    }
    challenges
}

struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn skip_separators(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', ',']);
    }

    /// `token` of RFC 9110 section 5.6.2.
    fn token(&mut self) -> Option<&'a str> {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let end = self.rest.find(|c| !is_token(c)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        if token.is_empty() {
            return None;
        }
        self.rest = rest;
        Some(token)
    }

    /// `name=value` pairs up to the next challenge. False: the rest is malformed.
    fn parameters(&mut self, into: &mut Vec<(String, String)>) -> bool {
        loop {
            self.skip_separators();
            let before = self.rest;
            let Some(name) = self.token() else {
                return self.rest.is_empty();
            };
            self.skip_spaces();
            let Some(after) = self.rest.strip_prefix('=') else {
                // A token without `=` opens the next challenge.
                self.rest = before;
                return true;
            };
            self.rest = after;
            self.skip_spaces();
            let Some(value) = self.value() else { return false };
            if into.len() == MAX_PARAMETERS {
                return false;
            }
            into.push((name.to_ascii_lowercase(), value));
        }
    }

    /// A quoted string, or what stands before the next comma: some registries quote nothing,
    /// although `realm=https://…` is no token.
    fn value(&mut self) -> Option<String> {
        let Some(quoted) = self.rest.strip_prefix('"') else {
            let end = self.rest.find([',', ' ', '\t']).unwrap_or(self.rest.len());
            let (value, rest) = self.rest.split_at(end);
            self.rest = rest;
            return Some(value.to_owned());
        };
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &quoted[at + 1..];
                    return Some(value);
                }
                '\\' => value.push(chars.next()?.1),
                c => value.push(c),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `scheme k=v k=v | scheme …`, to compare at a glance.
    fn flat(header: &str) -> String {
        let one = |challenge: &Challenge| {
            let mut line = challenge.scheme.clone();
            for (key, value) in &challenge.parameters {
                line.push_str(&format!(" {key}={value}"));
            }
            line
        };
        parse(header).iter().map(one).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn headers_of_real_registries() {
        let cases = [
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
                "bearer realm=https://auth.docker.io/token service=registry.docker.io scope=repository:a/b:pull,push",
            ),
            (r#"Basic realm="Registry Realm""#, "basic realm=Registry Realm"),
            ("Basic", "basic"),
            (
                r#"Bearer realm="https://a/t" , service=svc, error="insufficient_scope""#,
                "bearer realm=https://a/t service=svc error=insufficient_scope",
            ),
            ("bearer realm=https://a/t,service=x", "bearer realm=https://a/t service=x"),
            (r#"Basic realm="a", Bearer realm="b""#, "basic realm=a | bearer realm=b"),
            (r#"Negotiate, Basic realm="a""#, "negotiate | basic realm=a"),
            (r#"BEARER Realm = "x\"y\\z""#, r#"bearer realm=x"y\z"#),
            (r#"Bearer realm="open"#, "bearer"),
            (r#"Basic realm="a", Bearer realm="open"#, "basic realm=a | bearer"),
            ("", ""),
            (",,,", ""),
            ("=", ""),
        ];
        for (header, expected) in cases {
            assert_eq!(flat(header), expected, "{header}");
        }
        assert_eq!(parse("Basic realm=x")[0].parameter("realm"), Some("x"));
        assert_eq!(parse("Basic realm=x")[0].parameter("scope"), None);
    }

    #[test]
    fn counts_are_bounded() {
        assert_eq!(parse(&"Basic, ".repeat(1000)).len(), MAX_CHALLENGES);
        let many = (0..1000).map(|n| format!("k{n}=v,")).collect::<String>();
        assert_eq!(parse(&format!("Basic {many}"))[0].parameters.len(), MAX_PARAMETERS);
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_panic(header in "\\PC*") {
            parse(&header);
        }

        #[test]
        fn quoted_values_survive(value in "[ -~]*") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let parsed = parse(&format!("Bearer realm=\"{quoted}\",service=s"));
            prop_assert_eq!(parsed[0].parameter("realm"), Some(value.as_str()));
            prop_assert_eq!(parsed[0].parameter("service"), Some("s"));
        }
    }
}
