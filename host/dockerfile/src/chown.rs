//! `user:group` of `COPY --chown` and `USER`.

/// A user or group, by number or name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Id {
    /// A number.
    Number(u32),
    /// A name, to be looked up in the image's `/etc/passwd` or `/etc/group`.
    Name(String),
}

/// An owner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The user.
    pub user: Option<Id>,
    /// The group. Without one, a user given by number has the group of that number, and one given
    /// by name its group in `/etc/passwd`.
    pub group: Option<Id>,
}

impl Owner {
    /// Reads `user`, `user:group` or `:group`.
    pub fn parse(text: &str) -> Owner {
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        Owner { user: id(user), group: id(group) }
    }
}

fn id(text: &str) -> Option<Id> {
    match text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse()) {
        _ if text.is_empty() => None,
        Some(Ok(number)) => Some(Id::Number(number)),
        _ => Some(Id::Name(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names() {
        let name = |text: &str| Some(Id::Name(text.to_owned()));
        let table = [
            ("55", Some(Id::Number(55)), None),
            ("bin:0", name("bin"), Some(Id::Number(0))),
            (":staff", None, name("staff")),
            ("a:b:c", name("a"), name("b:c")),
            ("+5", name("+5"), None),
            ("99999999999", name("99999999999"), None),
            ("", None, None),
        ];
        for (text, user, group) in table {
            assert_eq!(Owner::parse(text), Owner { user, group }, "{text}");
        }
    }
}
