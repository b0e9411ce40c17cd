//! Options that BusyBox's tools have, so that no step passes here that fails there.

use crate::{Stop, native, sys};

/// Short options of tools that know more in GNU's form; `:` follows one that takes a value. What can
/// be left out of a BusyBox when it is built is not listed.
const SHORT: &[(&str, &str)] = &[
    ("basename", ""),
    ("cat", "nu"),
    ("chgrp", "RhHLPf"),
    ("chmod", "Rf"),
    ("chown", "RhHLPf"),
    ("cp", "arRpPLHdfinlsuT"),
    ("cut", "b:c:d:f:ns"),
    ("dirname", ""),
    ("fold", "bsw:"),
    ("head", "n:c:qv"),
    ("install", "cdDpm:o:g:"),
    ("ln", "sfnT"),
    ("ls", "1aACdFghiklLnprRSstuc"),
    ("mkdir", "pm:"),
    ("mkfifo", "m:"),
    ("mktemp", "dqtp:u"),
    ("mv", "finT"),
    ("readlink", "fn"),
    ("realpath", ""),
    ("rm", "rRfi"),
    ("rmdir", "p"),
    ("sort", "nrugcszbdfiok:t:"),
    ("tail", "n:c:fqv"),
    ("tee", "ai"),
    ("touch", "cd:r:t:h"),
    ("tr", "cdsC"),
    ("uniq", "cduif:s:w:"),
    ("wc", "clwLm"),
];

/// Long options that every BusyBox has with which distributions ship.
const LONG: &[(&str, &[&str])] = &[
    ("mkdir", &["parents", "mode"]),
    ("deluser", &["remove-home"]),
    ("tar", &["strip-components"]),
    ("addgroup", &["gid", "system"]),
    (
        "adduser",
        &[
            "home",
            "gecos",
            "shell",
            "ingroup",
            "system",
            "disabled-password",
            "empty-password",
            "no-create-home",
            "uid",
            "skel",
        ],
    ),
];

/// Commands whose arguments may look like long options without being any.
const WORDS: [&str; 11] =
    ["[", "awk", "echo", "env", "expr", "find", "nice", "nohup", "printf", "test", "timeout"];

/// Whether a command line means here what it means to BusyBox.
///
/// # Errors
/// An option that BusyBox may not have needs the native tool.
pub(crate) fn check(command: &str, args: &[Vec<u8>]) -> Result<(), Stop> {
    if !sys::is_busybox() {
        return Ok(());
    }
    let find = |name: &str| SHORT.iter().find(|(known, _)| *known == name).map(|(_, all)| *all);
    if WORDS.contains(&command) {
        return Ok(());
    }
    let short = find(command);
    let long = LONG.iter().find(|(known, _)| *known == command).map_or(&[][..], |(_, all)| *all);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == b"--" {
            break;
        }
        if let Some(name) = arg.strip_prefix(b"--") {
            let name = name.split(|&byte| byte == b'=').next().unwrap_or_default();
            if !long.iter().any(|known| known.as_bytes() == name) {
                let name = String::from_utf8_lossy(name);
                return Err(native(format!("BusyBox's {command} --{name}")));
            }
        } else if let (Some(short), Some(cluster)) = (short, arg.strip_prefix(b"-")) {
            // Digits are counts (`head -5`), symbols are modes (`chmod -x`) or numbers.
            for (at, letter) in cluster.iter().enumerate() {
                if command == "chmod" && b"rwxstugoX=+".contains(letter) || letter.is_ascii_digit()
                {
                    break;
                }
                let Some(found) = short.bytes().position(|known| known == *letter) else {
                    let letter = char::from(*letter);
                    return Err(native(format!("BusyBox's {command} -{letter}")));
                };
                if short.as_bytes().get(found + 1) == Some(&b':') {
                    if at + 1 == cluster.len() {
                        args.next();
                    }
                    break;
                }
            }
        }
    }
    Ok(())
}
