//! `RUN --mount`.

use super::csv;
use crate::diagnostic::Cause;
use crate::expand::ExpandError;
use crate::quote::{parse_bool, quote};
use crate::size;

/// What is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum MountType {
    /// A directory of the context, a stage or an image.
    #[default]
    Bind,
    /// A directory that outlives the build.
    Cache,
    /// An empty directory in memory.
    Tmpfs,
    /// A secret, as file or environment variable.
    Secret,
    /// The socket of an SSH agent.
    Ssh,
}

impl MountType {
    const ALL: [(&'static str, MountType); 5] = [
        ("bind", MountType::Bind),
        ("cache", MountType::Cache),
        ("tmpfs", MountType::Tmpfs),
        ("secret", MountType::Secret),
        ("ssh", MountType::Ssh),
    ];

    /// The name in a Dockerfile.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// How builds share a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// All at the same time.
    Shared,
    /// Each has its own.
    Private,
    /// One after the other.
    Locked,
}

impl Sharing {
    const ALL: [(&'static str, Sharing); 3] =
        [("shared", Sharing::Shared), ("private", Sharing::Private), ("locked", Sharing::Locked)];
}

/// A mount, after expansion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mount {
    /// `type`.
    pub kind: MountType,
    /// `from`: a stage, image or named context.
    pub from: Option<String>,
    /// `source`: a path in `from` or the context; the id of a secret.
    pub source: Option<String>,
    /// `target`, as written: relative to the working directory.
    pub target: Option<String>,
    /// `readonly`, or what the type has by default: bind, secret and ssh are read-only.
    pub readonly: bool,
    /// `size` of a tmpfs in bytes; zero for no limit.
    pub size: i64,
    /// `id` of a cache, a secret or an SSH agent.
    pub id: Option<String>,
    /// `sharing` of a cache; shared when not given.
    pub sharing: Option<Sharing>,
    /// `required` of a secret or an SSH agent.
    pub required: bool,
    /// `env`: the variable that holds a secret.
    pub env: Option<String>,
    /// `mode`.
    pub mode: Option<u32>,
    /// `uid`.
    pub uid: Option<u32>,
    /// `gid`.
    pub gid: Option<u32>,
}

/// Every key, in the order in which suggestions are looked for.
const KEYS: [&str; 19] = [
    "type",
    "from",
    "source",
    "target",
    "readonly",
    "id",
    "sharing",
    "required",
    "size",
    "mode",
    "uid",
    "gid",
    "src",
    "dst",
    "destination",
    "ro",
    "rw",
    "readwrite",
    "env",
];

impl Mount {
    /// Reads the value of `--mount` whose variables have been replaced.
    ///
    /// # Errors
    /// Unknown keys and types, values of the wrong kind, keys that do not go with the type.
    pub fn parse(value: &str) -> Result<Mount, crate::Diagnostic> {
        read(value, &mut |text| Ok(text.to_owned())).map_err(|cause| {
            crate::Diagnostic::place(cause, crate::Span::default(), crate::LineRange::default())
        })
    }
}

/// The `from` of a mount that is not expanded yet: it decides which stages a stage needs, so it
/// cannot depend on variables.
pub(super) fn source_stage(value: &str) -> Result<Option<String>, Cause> {
    let mut from = None;
    for field in csv::fields(value, "mounts")? {
        let Some((key, stage)) = field.split_once('=') else { continue };
        if !key.eq_ignore_ascii_case("from") {
            continue;
        }
        if stage.find('$').is_some_and(|at| at + 1 != stage.len()) {
            return Err(Cause::new(
                "'from' doesn't support variable expansion, define alias stage instead",
            )
            .focus(&field));
        }
        from = Some(stage.to_owned()).filter(|stage| !stage.is_empty());
    }
    Ok(from)
}

/// Reads a mount, expanding the value of each key on its own.
pub(super) fn read(
    value: &str,
    expand: &mut dyn FnMut(&str) -> Result<String, ExpandError>,
) -> Result<Mount, Cause> {
    let mut mount = Mount::default();
    let mut readonly = None;
    for field in csv::fields(value, "mounts")? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_lowercase(), expand(value)?),
            None => match field.to_lowercase().as_str() {
                key @ ("readonly" | "ro" | "readwrite" | "rw" | "required") => {
                    (key.to_owned(), "true".to_owned())
                }
                _ => {
                    return Err(Cause::new(format!(
                        "invalid field '{field}' must be a key=value pair"
                    ))
                    .focus(&field));
                }
            },
        };
        mount.set(&key, value, &field, &mut readonly)?;
    }
    mount.readonly = readonly.unwrap_or(!matches!(mount.kind, MountType::Cache | MountType::Tmpfs));
    mount.check()?;
    Ok(mount)
}

impl Mount {
    fn set(
        &mut self,
        key: &str,
        value: String,
        field: &str,
        readonly: &mut Option<bool>,
    ) -> Result<(), Cause> {
        let flag = |value: &str| {
            parse_bool(value)
                .ok_or_else(|| Cause::new(format!("invalid value for {key}: {value}")).focus(field))
        };
        let number = |value: &str, radix: u32| {
            let digits = value.bytes().all(|byte| byte.is_ascii_digit());
            digits
                .then(|| u32::from_str_radix(value, radix).ok())
                .flatten()
                .ok_or_else(|| Cause::new(format!("invalid value {value} for {key}")).focus(field))
        };
        let misplaced = |kind: MountType| {
            Cause::new(format!("unexpected key '{key}' for mount type '{}'", kind.name()))
                .focus(field)
        };
        let is_keyed = matches!(self.kind, MountType::Secret | MountType::Ssh);
        match key {
            "type" => self.kind = choice(&value, &MountType::ALL, "mount type")?,
            "from" => self.from = present(value),
            "source" | "src" => self.source = present(value),
            "target" | "dst" | "destination" => self.target = present(value),
            "readonly" | "ro" => *readonly = Some(flag(&value)?),
            "readwrite" | "rw" => *readonly = Some(!flag(&value)?),
            "required" if is_keyed => self.required = flag(&value)?,
            "required" => return Err(misplaced(self.kind)),
            "size" if self.kind == MountType::Tmpfs => {
                self.size = size::parse(&value).ok_or_else(|| {
                    Cause::new(format!("invalid value for {key}: {value}")).focus(field)
                })?;
            }
            "size" => return Err(misplaced(self.kind)),
            "id" => self.id = present(value),
            "sharing" => self.sharing = Some(choice(&value, &Sharing::ALL, "sharing value")?),
            "mode" => self.mode = Some(number(&value, 8)?),
            "uid" => self.uid = Some(number(&value, 10)?),
            "gid" => self.gid = Some(number(&value, 10)?),
            "env" => self.env = Some(value),
            _ => {
                return Err(Cause::new(format!("unexpected key '{key}' in '{field}'"))
                    .suggest(key, &KEYS)
                    .focus(field));
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Cause> {
        if matches!(self.kind, MountType::Bind | MountType::Tmpfs) {
            let given = [("mode", self.mode), ("uid", self.uid), ("gid", self.gid)];
            if let Some((key, _)) = given.iter().find(|(_, value)| value.is_some()) {
                return Err(Cause::new(format!(
                    "{key} not allowed for {} type mounts",
                    quote(self.kind.name())
                ))
                .focus(*key));
            }
        }
        let wrong = match self.kind {
            MountType::Secret if self.from.is_some() => "secret mount should not have a from",
            MountType::Secret if self.sharing.is_some() => "secret mount should not define sharing",
            MountType::Secret
                if self.source.is_none() && self.target.is_none() && self.id.is_none() =>
            {
                "invalid secret mount. one of source, target required"
            }
            MountType::Secret if self.source.is_some() && self.id.is_some() => {
                "both source and id can't be set"
            }
            kind if self.sharing.is_some() && kind != MountType::Cache => {
                return Err(Cause::new(format!(
                    "invalid cache sharing set for {} mount",
                    kind.name()
                )));
            }
            _ => return Ok(()),
        };
        Err(Cause::new(wrong))
    }
}

fn present(value: String) -> Option<String> {
    Some(value).filter(|value| !value.is_empty())
}

fn choice<T: Copy>(value: &str, all: &[(&str, T)], what: &str) -> Result<T, Cause> {
    let lower = value.to_lowercase();
    all.iter().find(|(name, _)| *name == lower).map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        Cause::new(format!("unsupported {what} {}", quote(value)))
            .suggest(value, &names)
            .focus(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key() {
        let secret =
            Mount::parse("type=secret,id=a,target=/x,required,env=E,mode=0400,uid=1,gid=2");
        assert_eq!(
            secret.unwrap(),
            Mount {
                kind: MountType::Secret,
                id: Some("a".into()),
                target: Some("/x".into()),
                readonly: true,
                required: true,
                env: Some("E".into()),
                mode: Some(0o400),
                uid: Some(1),
                gid: Some(2),
                ..Mount::default()
            }
        );
        let cache = Mount::parse("type=cache,dst=/c,sharing=LOCKED,ro").unwrap();
        assert_eq!((cache.sharing, cache.readonly), (Some(Sharing::Locked), true));
        let tmpfs = Mount::parse("type=tmpfs,target=/t,size=64m").unwrap();
        assert_eq!((tmpfs.size, tmpfs.readonly), (64 << 20, false));
        let bind = Mount::parse("from=s,src=/a,destination=/b,rw=true").unwrap();
        assert_eq!(
            (bind.kind, bind.readonly, bind.from.as_deref()),
            (MountType::Bind, false, Some("s"))
        );
    }

    #[test]
    fn errors_as_in_buildkit() {
        let table = [
            ("foo", "invalid field 'foo' must be a key=value pair"),
            ("", "failed to parse csv mounts: EOF"),
            ("ro,", "invalid field '' must be a key=value pair"),
            ("typ=bind", "unexpected key 'typ' in 'typ=bind' (did you mean type?)"),
            ("type=bid", "unsupported mount type \"bid\" (did you mean bind?)"),
            (
                "type=cache,sharing=lokced",
                "unsupported sharing value \"lokced\" (did you mean locked?)",
            ),
            ("mode=7", "mode not allowed for \"bind\" type mounts"),
            ("type=cache,mode=9", "invalid value 9 for mode"),
            ("type=cache,uid=x", "invalid value x for uid"),
            ("required", "unexpected key 'required' for mount type 'bind'"),
            ("type=bind,size=1m", "unexpected key 'size' for mount type 'bind'"),
            ("ro=maybe", "invalid value for ro: maybe"),
            ("type=secret", "invalid secret mount. one of source, target required"),
            ("type=secret,id=a,source=b", "both source and id can't be set"),
            ("type=secret,id=a,from=b", "secret mount should not have a from"),
            ("sharing=shared", "invalid cache sharing set for bind mount"),
        ];
        for (value, expected) in table {
            assert_eq!(Mount::parse(value).unwrap_err().to_string(), expected, "{value}");
        }
    }

    #[test]
    fn the_stage_is_known_before_expansion() {
        assert_eq!(source_stage("type=$t,from=base").unwrap().as_deref(), Some("base"));
        assert_eq!(source_stage("target=/x").unwrap(), None);
        assert!(source_stage("from=$b").is_err());
        assert!(source_stage("from=b$").is_ok());
    }
}
