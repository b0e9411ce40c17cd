//! Variables that come from whoever starts the shell, and those that go to the programs it starts.

use crate::state::{Shell, Variable};
use kiln_guest_abi::{file, process};
use kiln_sh_syntax::{Dialect, is_name};

/// Chains of the table in which dash and ash keep variables; programs get them chain by chain.
const CHAINS: u32 = 39;

/// The chain of a variable: its first byte 16 times and all its bytes, added.
fn chain(name: &[u8]) -> u32 {
    let first = u32::from(*name.first().unwrap_or(&0)) << 4;
    name.iter().fold(first, |sum, &byte| sum.wrapping_add(u32::from(byte))) % CHAINS
}

impl Shell {
    /// Takes up what the shell was started with, and adds variables of its own.
    pub(crate) fn import_environment(&mut self) {
        // The shell's own variables are in its table before the environment's.
        let given: Vec<_> = std::env::vars_os()
            .map(|(name, value)| (name.into_encoded_bytes(), value.into_encoded_bytes()))
            .filter(|(name, _)| is_name(name) && name != b"IFS")
            .collect();
        if given.iter().any(|(name, _)| name == b"PATH") {
            self.variables.entry(b"PATH".to_vec()).or_default();
        }
        for (name, value) in given {
            self.export(&name, value);
        }
        for (name, value) in [("IFS", " \t\n"), ("OPTIND", "1"), ("PS4", "+ ")] {
            self.variables
                .entry(name.into())
                .or_default()
                .value
                .get_or_insert_with(|| value.into());
        }
        if self.dialect != Dialect::Dash {
            // As bash and BusyBox have it: a variable, not part of the environment.
            let name = process::hostname();
            self.variables.entry(b"HOSTNAME".to_vec()).or_default().value.get_or_insert(name);
        }
        let ppid = process::parent_id().to_string().into_bytes();
        self.variables
            .insert(b"PPID".to_vec(), Variable { value: Some(ppid), ..Variable::default() });
        let cwd = process::current_dir().unwrap_or_else(|_| b"/".to_vec());
        let believed = self.get(b"PWD").filter(|path| path.starts_with(b"/"));
        let same = believed.is_some_and(|path| {
            let stat = |path: &[u8]| file::stat(path).ok();
            stat(&path).zip(stat(b".")).is_some_and(|(a, b)| (a.dev, a.ino) == (b.dev, b.ino))
        });
        if self.dialect != Dialect::Dash {
            let level = self
                .get(b"SHLVL")
                .and_then(|text| std::str::from_utf8(&text).ok()?.parse::<u32>().ok())
                .unwrap_or(0);
            self.export(b"SHLVL", level.saturating_add(1).to_string().into_bytes());
        }
        if !same {
            self.export(b"PWD", cwd);
        }
    }

    fn export(&mut self, name: &[u8], value: Vec<u8>) {
        let variable = self.variables.entry(name.to_vec()).or_default();
        variable.value = Some(value);
        variable.exported = true;
    }

    /// The first file of that name in a directory of `PATH`, executable or not.
    pub(crate) fn in_path(&self, name: &[u8]) -> Option<Vec<u8>> {
        let path = self.get(b"PATH").unwrap_or_default();
        let mut places = path.split(|&byte| byte == b':').map(|place| match place {
            b"" => name.to_vec(),
            place => [place, b"/", name].concat(),
        });
        let is_file = |place: &Vec<u8>| file::stat(place).is_ok_and(|there| there.is_file());
        places.find(is_file).filter(|_| !name.contains(&b'/'))
    }

    /// The environment of a program, in the order in which the shell has its variables.
    pub(crate) fn environment(&self) -> Vec<Vec<u8>> {
        let mut exported: Vec<_> = self
            .variables
            .iter()
            .filter(|(_, variable)| variable.exported)
            .filter_map(|(name, variable)| Some((name, variable.value.as_ref()?, variable.made)))
            .collect();
        exported.sort_by_key(|(name, _, made)| (chain(name), *made));
        exported.into_iter().map(|(name, value, _)| [name, &b"="[..], value].concat()).collect()
    }
}
