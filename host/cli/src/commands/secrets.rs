//! `--secret` and `--ssh`: what steps may use and nobody may see.

use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use kiln_build::{BuildError, Result, Secret};

use crate::environment::Environment;

/// A secret longer than this is refused, as BuildKit does: it is held in memory.
const MAX_SECRET: u64 = 500 << 10;

/// `id=ID[,type=file|env][,src=FILE|,env=NAME]`; without a source the variable or the file ID.
pub(super) fn secret(text: &str, environment: &Environment) -> Result<(String, Secret)> {
    let wrong = |why: &str| {
        BuildError::input(format!("--secret {text}: {why}"))
            .with_hint("for example --secret id=token,src=token.txt or --secret id=token,env=TOKEN")
    };
    let (mut id, mut kind, mut file, mut variable) = (None, None, None, None);
    for field in text.split(',') {
        match field.split_once('=') {
            Some(("id", value)) => id = Some(value.to_owned()),
            Some(("type", value @ ("file" | "env"))) => kind = Some(value),
            Some(("type", _)) => return Err(wrong("type is file or env")),
            Some(("src" | "source", value)) => file = Some(value.to_owned()),
            Some(("env", value)) => variable = Some(value.to_owned()),
            _ => return Err(wrong(&format!("`{field}` is not known"))),
        }
    }
    let id = id.filter(|id| !id.is_empty()).ok_or_else(|| wrong("id is missing"))?;
    if kind == Some("env") && variable.is_none() {
        variable = file.take().or_else(|| Some(id.clone()));
    }
    if kind.is_none() && file.is_none() && variable.is_none() && environment.os(&id).is_some() {
        variable = Some(id.clone());
    }
    if let Some(name) = variable {
        let value = environment.os(&name).ok_or_else(|| wrong(&format!("{name} is not set")))?;
        return Ok((id, Secret(value.as_encoded_bytes().to_vec())));
    }
    let file = file.unwrap_or_else(|| id.clone());
    let mut value = Vec::new();
    std::fs::File::open(&file)
        .and_then(|opened| opened.take(MAX_SECRET + 1).read_to_end(&mut value))
        .map_err(|error| {
            BuildError::input(format!("--secret {text}: read {file}")).with_source(error)
        })?;
    if value.len() as u64 > MAX_SECRET {
        return Err(wrong(&format!("{file} is longer than {MAX_SECRET} bytes")));
    }
    Ok((id, Secret(value)))
}

/// `ID` for the agent of `SSH_AUTH_SOCK`, or `ID=SOCKET`.
pub(super) fn agent(text: &str, environment: &Environment) -> Result<(String, PathBuf)> {
    let wrong = |why: String| BuildError::input(format!("--ssh {text}: {why}"));
    let (id, socket) = match text.split_once('=') {
        Some((id, socket)) => (id, PathBuf::from(socket)),
        None => (
            text,
            environment.path("SSH_AUTH_SOCK").ok_or_else(|| {
                wrong("SSH_AUTH_SOCK is not set".to_owned())
                    .with_hint("start an agent, or give its socket: --ssh ID=SOCKET")
            })?,
        ),
    };
    let is_socket =
        std::fs::metadata(&socket).is_ok_and(|metadata| metadata.file_type().is_socket());
    if !is_socket {
        return Err(wrong(format!("{} is no agent's socket", socket.display()))
            .with_hint("keys are not read from files: add them to an agent with ssh-add"));
    }
    Ok((id.to_owned(), socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_come_from_files_and_variables() {
        let environment = Environment::of(&[("TOKEN", "value")]);
        for text in ["id=x,env=TOKEN", "id=TOKEN", "id=x,type=env,src=TOKEN", "id=TOKEN,type=env"] {
            assert_eq!(secret(text, &environment).unwrap().1, Secret(b"value".to_vec()), "{text}");
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, "in file").unwrap();
        let found = secret(&format!("id=x,src={}", file.display()), &environment).unwrap();
        assert_eq!(found, ("x".to_owned(), Secret(b"in file".to_vec())));
        for text in ["", "src=f", "id=x,env=NONE", "id=x,src=/none", "id=x,what=y", "id=x,type=z"] {
            assert!(secret(text, &environment).is_err(), "{text}");
        }
    }
}
