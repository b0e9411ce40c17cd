//! Small languages of the command line: `type=oci,dest=out`, `host:1.2.3.4`, `64m`.

use std::path::PathBuf;
use std::time::Duration;

use kiln_build::{
    BuildError, ContextSource, Destination, NamedContext, Output, Result, context_name,
};
use kiln_runner_wasi::Options as WasiOptions;

/// Splits `KEY=VALUE`.
pub(crate) fn key_value(flag: &str, text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(BuildError::input(format!("--{flag} {text}: expected KEY=VALUE"))),
    }
}

/// `--output`.
pub(crate) fn output(text: &str) -> Result<Output> {
    let wrong = |why: &str| {
        BuildError::input(format!("--output {text}: {why}"))
            .with_hint("for example --output type=oci,dest=DIR or type=oci-archive,dest=FILE")
    };
    if !text.contains('=') && !text.is_empty() {
        // As docker has it: a directory, or `-` for a tar on stdout.
        return Ok(match text {
            "-" => Output::Tar(Destination::Stdout),
            dir => Output::Local(PathBuf::from(dir)),
        });
    }
    let file = |dest: PathBuf| match dest.as_os_str().as_encoded_bytes() {
        b"-" => Destination::Stdout,
        _ => Destination::File(dest),
    };
    let mut kind = None;
    let mut dest = None;
    for field in text.split(',') {
        match field.split_once('=') {
            Some(("type", value)) => kind = Some(value),
            Some(("dest", value)) => dest = Some(PathBuf::from(value)),
            Some((key, _)) => return Err(wrong(&format!("`{key}` is not supported"))),
            None => return Err(wrong(&format!("`{field}` is not KEY=VALUE"))),
        }
    }
    let kind = kind.ok_or_else(|| wrong("type is missing"))?;
    if kind == "registry" {
        return match dest {
            None => Ok(Output::Registry),
            Some(_) => Err(wrong("type=registry takes no dest: the tags name the registry")),
        };
    }
    let dest = dest.filter(|dest| !dest.as_os_str().is_empty());
    let dest = dest.ok_or_else(|| wrong("dest is missing"))?;
    match kind {
        "oci" => Ok(Output::OciLayout(dest)),
        "local" => Ok(Output::Local(dest)),
        "oci-archive" => Ok(Output::OciArchive(file(dest))),
        "docker" => Ok(Output::DockerArchive(file(dest))),
        "tar" => Ok(Output::Tar(file(dest))),
        other => Err(wrong(&format!("type={other} is unknown"))),
    }
}

/// `--add-host HOST:IP` or `HOST=IP`.
pub(crate) fn host(text: &str) -> Result<(String, String)> {
    let wrong = || BuildError::input(format!("--add-host {text}: expected HOST:IP"));
    let (name, address) =
        text.split_once('=').or_else(|| text.split_once(':')).ok_or_else(wrong)?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    if name.is_empty() || address.parse::<std::net::IpAddr>().is_err() {
        return Err(wrong());
    }
    Ok((name.to_owned(), address.to_owned()))
}

/// A size in bytes: a number with an optional unit of b, k, m, g.
pub(crate) fn size(flag: &str, text: &str) -> Result<u64> {
    let wrong = || BuildError::input(format!("--{flag} {text}: expected a size such as 64m"));
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match &lower[digits.len()..] {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return Err(wrong()),
    };
    digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(wrong)
}

/// `--wasi-limit KEY=VALUE`, all of them.
pub(crate) fn wasi_limits(texts: &[String]) -> Result<WasiOptions> {
    const FLAG: &str = "wasi-limit";
    let mut options = WasiOptions::default();
    for text in texts {
        let (key, value) = key_value(FLAG, text)?;
        let size = || size(FLAG, &value);
        let number = || -> Result<usize> {
            let wrong = || BuildError::input(format!("--{FLAG} {text}: expected a number above 0"));
            value.parse().ok().filter(|number| *number > 0).ok_or_else(wrong)
        };
        // More than the machine can address is no bound at all.
        let bytes = || -> Result<usize> { Ok(usize::try_from(size()?).unwrap_or(usize::MAX)) };
        match &key[..] {
            "memory" => options.guest_memory = bytes()?,
            "total-memory" => options.total_memory = bytes()?,
            "written" => options.written = size()?,
            "processes" => options.processes = number()?,
            "descriptors" => options.descriptors = number()?,
            "files" => options.open_files = number()?,
            "created" => options.created = number()?,
            "time" => options.time = Duration::from_secs(number()? as u64),
            _ => {
                let keys =
                    "memory, total-memory, written, processes, descriptors, files, created, time";
                return Err(BuildError::input(format!("--{FLAG} {text}: `{key}` is unknown"))
                    .with_hint(format!("the keys are {keys}")));
            }
        }
    }
    Ok(options)
}

/// `--build-context NAME=SOURCE`.
pub(crate) fn build_context(text: &str) -> Result<(String, NamedContext)> {
    let (name, source) = key_value("build-context", text)?;
    let context = if source == "docker-image://scratch" {
        NamedContext::Scratch
    } else if let Some(reference) = source.strip_prefix("docker-image://") {
        NamedContext::Image(
            reference
                .parse()
                .map_err(|error| BuildError::input(format!("--build-context {text}: {error}")))?,
        )
    } else if let Some(layout) = source.strip_prefix("oci-layout://") {
        NamedContext::Layout(layout.to_owned())
    } else if source.starts_with("target:") {
        return Err(BuildError::input(format!(
            "--build-context {text}: there is no target to take"
        ))
        .with_hint("targets are of `docker buildx bake`; build it first, and give its layout"));
    } else {
        NamedContext::Files(ContextSource::parse(&source)?)
    };
    Ok((context_name(&name), context))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs() {
        assert_eq!(output("type=oci,dest=a").unwrap(), Output::OciLayout("a".into()));
        assert_eq!(
            output("dest=a,type=docker").unwrap(),
            Output::DockerArchive(Destination::File("a".into()))
        );
        assert_eq!(output("type=registry").unwrap(), Output::Registry);
        assert_eq!(output("out").unwrap(), Output::Local("out".into()));
        assert_eq!(output("-").unwrap(), Output::Tar(Destination::Stdout));
        for bad in ["", "type=oci", "type=oci,dest=", "type=x,dest=a", "type=oci,x=1,dest=a"] {
            assert!(output(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_of_guests() {
        let all = |texts: &[&str]| {
            wasi_limits(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
        };
        let options = all(&["memory=64m", "processes=9", "time=5"]).unwrap();
        assert_eq!((options.guest_memory, options.processes), (64 << 20, 9));
        assert_eq!(options.time, Duration::from_secs(5));
        for bad in ["memory", "memory=x", "processes=0", "time=-1", "speed=3"] {
            assert!(all(&[bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn hosts_and_sizes() {
        assert_eq!(host("db:10.0.0.1").unwrap(), ("db".into(), "10.0.0.1".into()));
        assert_eq!(host("db=[::1]").unwrap(), ("db".into(), "::1".into()));
        assert_eq!(host("db:::1").unwrap(), ("db".into(), "::1".into()));
        assert!(host("db").is_err() && host("db:x").is_err());
        assert_eq!(size("s", "64m").unwrap(), 64 << 20);
        assert_eq!(size("s", "1024").unwrap(), 1024);
        assert!(size("s", "m").is_err() && size("s", "1x").is_err());
        assert!(size("s", "99999999999g").is_err());
    }
}
