//! Builds the guests and compiles them to native code: `kiln-guest-pack [PROGRAM]...`.
//!
//! With programs named, only those are built; others stay as they were packed before. One that does
//! not compile is named, and left out of what is packed.

use kiln_guest_pack::config;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::{env, fs, io};
use wasmtime::Engine;

/// Why packing failed.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0}: {1}")]
    Io(String, #[source] io::Error),
    #[error("cargo metadata: {0}")]
    Metadata(String),
    #[error("guests that do not compile, see above: {}; the others are packed", .0.join(", "))]
    Build(Vec<String>),
    #[error("cargo build of the guests failed, but each of them compiles alone")]
    Together,
    #[error("guest {0}: {1}")]
    Compile(String, wasmtime::Error),
}

/// A guest as its manifest describes it.
struct Program {
    name: String,
    commands: Vec<String>,
}

fn main() -> ExitCode {
    match pack() {
        Ok(count) => {
            #[expect(clippy::print_stdout, reason = "this is the tool's one line of output")]
            {
                println!("packed {count} guests");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "a tool reports its errors there")]
            {
                eprintln!("error: {error}");
            }
            ExitCode::FAILURE
        }
    }
}

fn pack() -> Result<usize, Error> {
    let only: Vec<String> = env::args().skip(1).collect();
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let metadata = metadata(&guests)?;
    let target = metadata["target_directory"]
        .as_str()
        .ok_or_else(|| Error::Metadata("no target directory".into()))?;
    let out = Path::new(target).join("packed");
    let programs = programs(&metadata)?;
    let broken = build(&guests, &only, &programs)?;

    fs::create_dir_all(&out).map_err(|error| Error::Io(out.display().to_string(), error))?;
    let engine = engine()?;
    let mut index = String::from("&[\n");
    let mut packed = 0;
    for program in &programs {
        if broken.contains(&program.name) {
            continue;
        }
        if !only.is_empty()
            && !only.contains(&program.name)
            && !out.join(format!("{}.cwasm", program.name)).exists()
        {
            continue;
        }
        packed += 1;
        let wasm = Path::new(target).join("wasm32-wasip1/release").join(&program.name);
        let object = compile(&engine, &program.name, &wasm.with_extension("wasm"), &out)?;
        let path = out.join(format!("{}.cwasm", program.name));
        // Writing to a String cannot fail.
        let _ = writeln!(
            index,
            "    kiln_guest_pack::Guest {{ name: {:?}, commands: &{:?}, sha256: {:?}, object: include_bytes!({:?}) }},",
            program.name,
            program.commands,
            <[u8; 32]>::from(Sha256::digest(&object)),
            path,
        );
    }
    index.push_str("]\n");
    replace_if_changed(&out.join("guests.rs"), index.as_bytes())?;
    if broken.is_empty() { Ok(packed) } else { Err(Error::Build(broken)) }
}

/// Builds every guest, or those named; gives the names of those that do not compile.
fn build(guests: &Path, only: &[String], programs: &[Program]) -> Result<Vec<String>, Error> {
    let run = |args: &[&str]| {
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--release", "--keep-going"]).args(args).current_dir(guests);
        // These are for the host's target.
        cargo.env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("CARGO_TARGET_DIR");
        let built = cargo.status().map_err(|error| Error::Io("cargo".into(), error))?;
        Ok::<_, Error>(built.success())
    };
    let mut args = if only.is_empty() { vec!["--bins"] } else { Vec::new() };
    for name in only {
        args.extend(["--bin", name]);
    }
    if run(&args)? {
        return Ok(Vec::new());
    }
    let mut broken = Vec::new();
    let wanted = |name: &String| only.is_empty() || only.contains(name);
    for program in programs.iter().filter(|program| wanted(&program.name)) {
        if !run(&["--quiet", "--bin", &program.name])? {
            broken.push(program.name.clone());
        }
    }
    if broken.is_empty() { Err(Error::Together) } else { Ok(broken) }
}

fn metadata(guests: &Path) -> Result<Value, Error> {
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(guests)
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .map_err(|error| Error::Io("cargo".into(), error))?;
    if !output.status.success() {
        return Err(Error::Metadata(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| Error::Metadata(error.to_string()))
}

fn programs(metadata: &Value) -> Result<Vec<Program>, Error> {
    let malformed = || Error::Metadata("unexpected form".into());
    let mut programs = Vec::new();
    for package in metadata["packages"].as_array().ok_or_else(malformed)? {
        let listed: Vec<String> = package["metadata"]["kiln"]["commands"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        for target in package["targets"].as_array().ok_or_else(malformed)? {
            let is_bin =
                target["kind"].as_array().is_some_and(|kinds| kinds.contains(&"bin".into()));
            if !is_bin {
                continue;
            }
            let name = target["name"].as_str().ok_or_else(malformed)?.to_owned();
            let commands = if listed.is_empty() { vec![name.clone()] } else { listed.clone() };
            programs.push(Program { name, commands });
        }
    }
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(programs)
}

fn engine() -> Result<Engine, Error> {
    let error = |error| Error::Compile("engine".into(), error);
    let mut config = config();
    // Naming a target keeps the packing machine's CPU features out of the objects.
    config.target(&format!("{}-unknown-linux-musl", env::consts::ARCH)).map_err(error)?;
    Engine::new(&config).map_err(error)
}

/// Compiles, unless the object of the same program and settings is there already.
fn compile(engine: &Engine, name: &str, wasm: &Path, out: &Path) -> Result<Vec<u8>, Error> {
    let read =
        |path: &Path| fs::read(path).map_err(|error| Error::Io(path.display().to_string(), error));
    let code = read(wasm)?;
    let mut key = Sha256::new();
    key.update(&code);
    // The engine's version and every setting that the object depends on.
    let mut settings = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut settings);
    key.update(settings.finish().to_le_bytes());
    let key = format!("{:?}", <[u8; 32]>::from(key.finalize()));
    let object_path = out.join(format!("{name}.cwasm"));
    let key_path = out.join(format!("{name}.key"));
    if fs::read(&key_path).is_ok_and(|old| old == key.as_bytes())
        && let Ok(object) = fs::read(&object_path)
    {
        return Ok(object);
    }
    let object =
        engine.precompile_module(&code).map_err(|error| Error::Compile(name.to_owned(), error))?;
    replace_if_changed(&object_path, &object)?;
    replace_if_changed(&key_path, key.as_bytes())?;
    Ok(object)
}

fn replace_if_changed(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    fs::write(path, bytes).map_err(|error| Error::Io(path.display().to_string(), error))
}
