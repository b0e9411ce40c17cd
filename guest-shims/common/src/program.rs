//! What every program of several commands has.

/// Makes `main` run the command that the program is called by, and a test that the manifest names
/// the same commands: the host finds a command's program by the manifest.
#[macro_export]
macro_rules! commands {
    ($($name:literal => $run:expr,)+) => {
        /// Every command of this program, with what runs it.
        const COMMANDS: &[(&str, $crate::Command)] = &[$(($name, $run)),+];

        fn main() -> std::process::ExitCode {
            $crate::run(COMMANDS)
        }

        #[cfg(test)]
        mod commands {
            #[test]
            fn the_manifest_names_every_command() {
                let manifest = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
                let mut listed = $crate::program::listed(manifest);
                listed.sort_unstable();
                let mut known: Vec<&str> = super::COMMANDS.iter().map(|(name, _)| *name).collect();
                known.sort_unstable();
                assert_eq!(listed, known);
            }
        }
    };
}

/// The commands that a manifest lists.
#[must_use]
pub fn listed(manifest: &str) -> Vec<&str> {
    let list = manifest.split("commands = [").nth(1).and_then(|rest| rest.split(']').next());
    // A command may be called `[` but none `]`.
    list.unwrap_or_default().split('"').skip(1).step_by(2).collect()
}
