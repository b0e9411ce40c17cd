//! File modes as `chmod` and `mkdir -m` take them: octal, or symbolic clauses.

/// All bits that a mode argument can set.
pub const ALL: u32 = 0o7777;
const SETID: u32 = 0o6000;

/// How an octal mode treats the setuid and setgid bits of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// GNU: kept on directories unless the mode names them or has five digits.
    Gnu,
    /// BusyBox: set as given; `o` does not reach the sticky bit.
    BusyBox,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bits,
    Copy,
    ExecuteIfAny,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    op: u8,
    kind: Kind,
    affected: u32,
    value: u32,
    mentioned: u32,
}

/// A mode argument, understood.
#[derive(Clone, Debug)]
pub struct Changes(Vec<Change>);

impl Changes {
    /// Reads a mode argument; nothing when it is not one.
    #[must_use]
    pub fn parse(text: &[u8], dialect: Dialect) -> Option<Self> {
        if text.first().is_some_and(u8::is_ascii_digit) {
            let value = octal(text)?;
            let mentioned = if text.len() < 5 && dialect == Dialect::Gnu {
                (value & SETID) | 0o1777
            } else {
                ALL
            };
            let kind = Kind::Bits;
            return Some(Self(vec![Change { op: b'=', kind, affected: ALL, value, mentioned }]));
        }
        let mut changes = Vec::new();
        for clause in text.split(|&byte| byte == b',') {
            clause_changes(clause, dialect, &mut changes)?;
        }
        Some(Self(changes))
    }

    /// The permission bits that a file with mode `old` gets.
    #[must_use]
    pub fn apply(&self, old: u32, is_dir: bool, umask: u32) -> u32 {
        self.adjust(old, is_dir, umask).0
    }

    /// Like [`Changes::apply`], with the bits that the changes decide.
    #[must_use]
    pub fn adjust(&self, old: u32, is_dir: bool, umask: u32) -> (u32, u32) {
        let mut mode = old & ALL;
        let mut decided = 0;
        for change in &self.0 {
            let omit = if is_dir { SETID & !change.mentioned } else { 0 };
            let mut value = change.value;
            match change.kind {
                Kind::Bits => {}
                Kind::Copy => {
                    value &= mode;
                    for class in [0o444, 0o222, 0o111] {
                        if value & class != 0 {
                            value |= class;
                        }
                    }
                }
                Kind::ExecuteIfAny => {
                    if is_dir || mode & 0o111 != 0 {
                        value |= 0o111;
                    }
                }
            }
            value &= if change.affected == 0 { !umask } else { change.affected };
            value &= !omit;
            match change.op {
                b'=' => {
                    let kept = if change.affected == 0 { 0 } else { !change.affected };
                    decided |= !(kept | omit);
                    mode = (mode & (kept | omit)) | value;
                }
                b'+' => {
                    decided |= value;
                    mode |= value;
                }
                _ => {
                    decided |= value;
                    mode &= !value;
                }
            }
        }
        (mode & ALL, decided & ALL)
    }
}

/// An octal mode of at most 07777.
#[must_use]
pub fn octal(text: &[u8]) -> Option<u32> {
    let text = str::from_utf8(text).ok()?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    u32::from_str_radix(text, 8).ok().filter(|&mode| mode <= ALL)
}

fn clause_changes(clause: &[u8], dialect: Dialect, changes: &mut Vec<Change>) -> Option<()> {
    let mut affected = 0;
    let mut at = 0;
    while let Some(&who) = clause.get(at) {
        affected |= match who {
            b'u' => 0o4700,
            b'g' => 0o2070,
            b'o' if dialect == Dialect::BusyBox => 0o007,
            b'o' => 0o1007,
            b'a' => ALL,
            _ => break,
        };
        at += 1;
    }
    let mut rest = &clause[at..];
    rest.first()?;
    while let Some((&op, after)) = rest.split_first() {
        if !b"=+-".contains(&op) {
            return None;
        }
        let end = after.iter().position(|byte| b"=+-".contains(byte)).unwrap_or(after.len());
        let (permissions, next) = after.split_at(end);
        let mut change = change(op, permissions, affected)?;
        if dialect == Dialect::BusyBox {
            change.mentioned = ALL;
        }
        changes.push(change);
        rest = next;
    }
    Some(())
}

fn change(op: u8, permissions: &[u8], mut affected: u32) -> Option<Change> {
    let mut kind = Kind::Bits;
    let mut value = 0;
    let mut mentioned = 0;
    match permissions {
        [b'u'] => (kind, value) = (Kind::Copy, 0o700),
        [b'g'] => (kind, value) = (Kind::Copy, 0o070),
        [b'o'] => (kind, value) = (Kind::Copy, 0o007),
        [b'0'..=b'7', ..] => {
            value = octal(permissions)?;
            if affected != 0 {
                return None;
            }
            affected = ALL;
            mentioned = ALL;
        }
        _ => {
            for letter in permissions {
                match letter {
                    b'r' => value |= 0o444,
                    b'w' => value |= 0o222,
                    b'x' => value |= 0o111,
                    b'X' => kind = Kind::ExecuteIfAny,
                    b's' => value |= SETID,
                    b't' => value |= 0o1000,
                    _ => return None,
                }
            }
        }
    }
    if mentioned == 0 {
        mentioned = if affected == 0 { value } else { affected & value };
    }
    Some(Change { op, kind, affected, value, mentioned })
}

/// A mode as `ls -l` and `stat -c %A` show it.
#[must_use]
pub fn describe(mode: u32) -> String {
    let kind = match mode & crate::sys::S_IFMT {
        crate::sys::S_IFDIR => 'd',
        crate::sys::S_IFLNK => 'l',
        crate::sys::S_IFCHR => 'c',
        crate::sys::S_IFBLK => 'b',
        crate::sys::S_IFIFO => 'p',
        crate::sys::S_IFSOCK => 's',
        _ => '-',
    };
    let mut shown = String::from(kind);
    for (shift, special, with, without) in
        [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')]
    {
        let bits = mode >> shift;
        shown.push(if bits & 4 != 0 { 'r' } else { '-' });
        shown.push(if bits & 2 != 0 { 'w' } else { '-' });
        shown.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => with,
            (true, false) => without,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_change_as_gnu_chmod_changes_them() {
        for (text, old, is_dir, expected) in [
            ("755", 0o644, false, 0o755),
            ("0755", 0o2644, true, 0o2755),
            ("00755", 0o2644, true, 0o755),
            ("2755", 0o644, true, 0o2755),
            ("+x", 0o644, false, 0o755),
            ("+w", 0o444, false, 0o644),
            ("a+w", 0o444, false, 0o666),
            ("u+x,g-r", 0o644, false, 0o704),
            ("go=", 0o755, false, 0o700),
            ("g=u", 0o750, false, 0o770),
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o700, true, 0o755),
            ("a+X", 0o644, false, 0o644),
            ("a+X", 0o744, false, 0o755),
            ("u+s,g+s", 0o755, false, 0o6755),
            ("+t", 0o755, true, 0o1755),
            ("g-s", 0o2755, true, 0o755),
            ("g=rx", 0o2775, true, 0o2755),
            ("=", 0o755, false, 0),
            ("u=g+x", 0o640, false, 0o540),
        ] {
            let changes = Changes::parse(text.as_bytes(), Dialect::Gnu).unwrap();
            assert_eq!(changes.apply(old, is_dir, 0o022), expected, "{text} on {old:o}");
        }
    }

    #[test]
    fn what_is_not_a_mode_is_refused() {
        for text in ["", "u", "99", "7777777", "u+rz", "x", "u+x,", "+ug"] {
            assert!(Changes::parse(text.as_bytes(), Dialect::Gnu).is_none(), "{text}");
        }
    }

    #[test]
    fn shows_modes_as_ls_does() {
        for (mode, shown) in [
            (0o100_644, "-rw-r--r--"),
            (0o040_755, "drwxr-xr-x"),
            (0o041_777, "drwxrwxrwt"),
            (0o104_755, "-rwsr-xr-x"),
            (0o102_644, "-rw-r-Sr--"),
            (0o120_777, "lrwxrwxrwx"),
        ] {
            assert_eq!(describe(mode), shown);
        }
    }
}
