//! What a target takes from outside: build arguments, secrets, agents. And which targets there are.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::args::{self, BuildArgs, GlobalArgs};
use crate::expand::Lexer;
use crate::instruction::{
    ArgPair, Dockerfile, Instruction, Kind, Mount, MountType, Word, parse_dockerfile,
};
use crate::lint::from::sources;
use crate::lint::state::{State, TooLarge};
use crate::lint::{BaseImage, Options, Scope};
use crate::platform::Platform;
use crate::{Diagnostic, LineRange};

/// What a target takes from outside, with that of the stages that it needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// The target's name.
    pub name: Option<String>,
    /// The description in the comment above it.
    pub description: Option<String>,
    /// The build arguments that are used, in the order of the file.
    pub args: Vec<OutlineArg>,
    /// The secrets.
    pub secrets: Vec<OutlineMount>,
    /// The SSH agents.
    pub ssh: Vec<OutlineMount>,
}

/// A build argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlineArg {
    /// Its name.
    pub name: String,
    /// The value that it would have; empty when it has none.
    pub value: String,
    /// The description in the comment above it.
    pub description: Option<String>,
    /// The lines of its ARG.
    pub lines: LineRange,
}

/// A secret or an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlineMount {
    /// Its id.
    pub name: String,
    /// Whether the step fails without it.
    pub required: bool,
    /// The lines of the RUN that first uses it.
    pub lines: LineRange,
}

/// Says what a target takes; [`Scope::All`] means the last stage.
///
/// # Errors
/// What is wrong with the file, as far as the target needs it.
pub fn outline(source: &str, options: &Options<'_>) -> Result<Outline, Diagnostic> {
    let file = parse_dockerfile(source)?;
    let target = match options.scope {
        Scope::Target(target) => file.target(target)?,
        Scope::All => file.target(None)?,
    };
    let name = file.stages[target].name.as_deref().unwrap_or_default();
    let (build, wanted) = (&options.build_platform, &options.target_platform);
    let mut globals = GlobalArgs::predefined(build, wanted, name, options.build_args);
    let meta = meta_args(&file, &globals, options.build_args)?;
    globals.declare(&file, options.build_args)?;
    let mut links = Vec::with_capacity(target + 1);
    for index in 0..=target {
        links.push(Links::of(&file, index, &globals, options)?);
    }
    let needed = needed(&links, target);
    let mut seen: Vec<Seen> = Vec::with_capacity(links.len());
    for (index, links) in links.iter().enumerate() {
        let stage = match needed.contains(&index) {
            true => look(&file, index, links, &seen, &meta, &globals, options)?,
            false => Seen::default(),
        };
        seen.push(stage);
    }
    Ok(collect(&file, target, &links, &seen))
}

/// What a stage refers to.
struct Links {
    base: Base,
    /// The arguments that its FROM names.
    used: BTreeSet<String>,
    /// The stages that it needs, the one that it is based on first.
    stages: Vec<usize>,
}

enum Base {
    Stage(usize),
    Scratch,
    Image(String, Platform),
}

impl Links {
    fn of(
        file: &Dockerfile,
        index: usize,
        globals: &GlobalArgs,
        options: &Options<'_>,
    ) -> Result<Self, Diagnostic> {
        let stage = &file.stages[index];
        let expand = |word: &str| {
            let expanded = Lexer::new(file.escape).expand(word, &globals.lookup());
            expanded.map_err(|error| stage.from.place(error.into()))
        };
        let name = expand(&stage.base)?;
        let mut used = name.matched;
        let mut platform = options.target_platform.clone();
        if let Some(written) = &stage.platform {
            let expanded = expand(written)?;
            platform = Platform::parse(&expanded.text).unwrap_or(platform);
            used.extend(expanded.matched);
        }
        let earlier = &file.stages[..index];
        let base = match earlier.iter().rposition(|stage| stage.name.as_ref() == Some(&name.text)) {
            Some(base) => Base::Stage(base),
            None if name.text == "scratch" => Base::Scratch,
            None => Base::Image(name.text, platform),
        };
        let below = match base {
            Base::Stage(base) => Some(base),
            Base::Scratch | Base::Image(..) => None,
        };
        // A later one is an error of the build.
        let sources = sources(file, index).into_iter().filter(|source| *source < index);
        let stages = below.into_iter().chain(sources).collect();
        Ok(Self { base, used, stages })
    }
}

fn needed(links: &[Links], target: usize) -> BTreeSet<usize> {
    let mut needed = BTreeSet::new();
    let mut pending = vec![target];
    while let Some(index) = pending.pop() {
        if needed.insert(index) {
            pending.extend(&links[index].stages);
        }
    }
    needed
}

/// An argument as its ARG says it, and the arguments that its default value names.
#[derive(Debug, Clone)]
struct Declared {
    arg: OutlineArg,
    needs: BTreeSet<String>,
}

type Args = BTreeMap<String, Declared>;

fn declared(at: &Instruction, pair: &ArgPair, value: Option<String>) -> Declared {
    let arg = OutlineArg {
        name: pair.key.clone(),
        value: value.unwrap_or_default(),
        description: pair.doc.clone(),
        lines: at.lines,
    };
    Declared { arg, needs: BTreeSet::new() }
}

/// The arguments before the first FROM.
fn meta_args(
    file: &Dockerfile,
    predefined: &GlobalArgs,
    build_args: &BuildArgs,
) -> Result<Args, Diagnostic> {
    let mut globals = predefined.clone();
    let mut all = Args::new();
    for at in &file.meta_args {
        let Kind::Arg(pairs) = &at.kind else { continue };
        for pair in pairs {
            let mut needs = BTreeSet::new();
            let value = match (build_args.get(&pair.key), &pair.value) {
                (Some(given), _) => Some(given.clone()),
                (None, None) => None,
                (None, Some(default)) => {
                    let expanded = Lexer::new(file.escape)
                        .expand(default, &globals.lookup())
                        .map_err(|error| at.place(error.into()))?;
                    needs = expanded.matched;
                    if needs.remove(&pair.key)
                        && let Some(old) = all.get(&pair.key)
                    {
                        needs.extend(old.needs.iter().cloned());
                    }
                    Some(expanded.text)
                }
            };
            if let Some(value) = &value {
                globals.set(&pair.key, value.clone());
            }
            all.insert(pair.key.clone(), Declared { needs, ..declared(at, pair, value) });
        }
    }
    Ok(all)
}

/// What a stage uses.
#[derive(Debug, Default)]
struct Seen {
    state: Rc<State>,
    args: Args,
    used: BTreeSet<String>,
    secrets: BTreeMap<String, OutlineMount>,
    ssh: BTreeMap<String, OutlineMount>,
}

fn look(
    file: &Dockerfile,
    index: usize,
    links: &Links,
    earlier: &[Seen],
    meta: &Args,
    globals: &GlobalArgs,
    options: &Options<'_>,
) -> Result<Seen, Diagnostic> {
    let mut seen = Seen { args: meta.clone(), used: links.used.clone(), ..Seen::default() };
    let mut state = match &links.base {
        Base::Stage(base) => State::after(&earlier[*base].state),
        Base::Scratch => State::over(Some(&BaseImage::default())),
        Base::Image(name, platform) => State::over((options.base_image)(name, platform).as_ref()),
    };
    for at in &file.stages[index].commands {
        if let Kind::Arg(pairs) = &at.kind {
            for pair in pairs {
                seen.arg(file.escape, at, pair, &mut state, globals, options)?;
            }
            continue;
        }
        let expanded = at
            .expand_with(&mut |word: Word<'_>| word.expand(file.escape, &|name| state.get(name)))?;
        match expanded.kind {
            Kind::Env(pairs) => {
                for pair in pairs {
                    set(&mut state, at, &pair.key, pair.value)?;
                }
            }
            Kind::Run(run) => {
                run.mounts.iter().flatten().for_each(|mount| seen.mount(at, mount));
            }
            _ => {}
        }
    }
    seen.state = Rc::new(state);
    Ok(seen)
}

fn set(state: &mut State, at: &Instruction, name: &str, value: String) -> Result<(), Diagnostic> {
    state.set(name, value).map_err(|TooLarge| at.error(args::too_large()))
}

impl Seen {
    fn arg(
        &mut self,
        escape: char,
        at: &Instruction,
        pair: &ArgPair,
        state: &mut State,
        globals: &GlobalArgs,
        options: &Options<'_>,
    ) -> Result<(), Diagnostic> {
        let given = options.build_args;
        let resolved = args::resolve(pair, given, globals, escape, &|name| state.get(name))
            .map_err(|error| at.place(error.into()))?;
        // The ARG before the first FROM is where an inherited value is given.
        let inherits =
            pair.value.is_none() && !given.contains_key(&pair.key) && resolved.value.is_some();
        if let Some(value) = &resolved.value {
            set(state, at, &pair.key, value.clone())?;
        }
        if !inherits {
            self.args.insert(pair.key.clone(), declared(at, pair, resolved.value));
        }
        self.used.insert(pair.key.clone());
        Ok(())
    }

    fn mount(&mut self, at: &Instruction, mount: &Mount) {
        let base = |path: &String| path.rsplit('/').next().unwrap_or(path).to_owned();
        let (all, name) = match mount.kind {
            MountType::Secret => {
                let written = mount.source.as_ref().or(mount.id.as_ref()).cloned();
                let Some(name) = written.or_else(|| mount.target.as_ref().map(base)) else {
                    return;
                };
                (&mut self.secrets, name)
            }
            MountType::Ssh => {
                let id = mount.id.as_deref().filter(|id| !id.is_empty());
                (&mut self.ssh, id.unwrap_or("default").to_owned())
            }
            _ => return,
        };
        let found = OutlineMount { name, required: mount.required, lines: at.lines };
        all.entry(found.name.clone()).or_insert(found);
    }

    /// The names of the arguments that it uses, also by other arguments.
    fn all_used(&self) -> BTreeSet<&str> {
        let mut all = BTreeSet::new();
        let mut pending: Vec<&str> = self.used.iter().map(String::as_str).collect();
        while let Some(name) = pending.pop() {
            if all.insert(name) {
                let needs = self.args.get(name).into_iter().flat_map(|found| &found.needs);
                pending.extend(needs.map(String::as_str));
            }
        }
        all
    }
}

fn collect(file: &Dockerfile, target: usize, links: &[Links], seen: &[Seen]) -> Outline {
    let stage = &file.stages[target];
    let mut outline =
        Outline { name: stage.name.clone(), description: stage.doc.clone(), ..Outline::default() };
    let (mut args, mut secrets, mut ssh) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut visited = BTreeSet::new();
    // The last in comes first: the base goes before the other stages.
    let mut pending = vec![target];
    while let Some(index) = pending.pop() {
        if !visited.insert(index) {
            continue;
        }
        let stage = &seen[index];
        for name in stage.all_used() {
            if let Some(found) = stage.args.get(name) {
                args.entry(name).or_insert_with(|| found.arg.clone());
            }
        }
        for (all, own) in [(&mut secrets, &stage.secrets), (&mut ssh, &stage.ssh)] {
            for (name, found) in own {
                all.entry(name.as_str()).or_insert_with(|| found.clone());
            }
        }
        pending.extend(links[index].stages.iter().rev());
    }
    outline.args = args.into_values().collect();
    outline.args.sort_by_key(|arg| arg.lines.start);
    let sorted = |all: BTreeMap<&str, OutlineMount>| {
        let mut all: Vec<_> = all.into_values().collect();
        all.sort_by_key(|mount| mount.lines.start);
        all
    };
    (outline.secrets, outline.ssh) = (sorted(secrets), sorted(ssh));
    outline
}
