//! What `kiln doctor` says of this runner: each thing that it needs, by itself.

use std::ffi::OsStr;

use kiln_runner::{Check, Unavailable};

use crate::report::Stage;
use crate::{availability, user_namespace};

/// Tries everything that this runner needs and tells each result.
///
/// `path` is kiln's own `PATH`. Where kiln has no capabilities this answers for the user namespace
/// that [`crate::reexec_in_user_namespace`] would enter; what would be refused only inside of it
/// shows when kiln runs there.
pub(crate) fn doctor(path: Option<&OsStr>) -> Vec<Check> {
    let missing = availability::missing_capabilities();
    if !missing.is_empty() {
        let entered = user_namespace::probe(path).map(drop);
        return vec![required("a user namespace with ranges of ids", entered)];
    }
    let mut checks = vec![
        required("the capabilities of root", Ok(())),
        required("more than one user and group", availability::id_maps()),
    ];
    match availability::try_set_up(false) {
        Ok(()) => {
            checks.push(required("namespaces: mount, pid, ipc, uts, cgroup", Ok(())));
            let with_network = availability::try_set_up(true);
            let tried = Stage::ALL.iter().filter(|stage| stage.is_tried());
            checks.extend(tried.map(|stage| required(stage.call(), Ok(()))));
            checks.push(Check {
                what: "a network namespace with loopback (RUN --network=none)".into(),
                result: with_network.map(works),
                required: false,
            });
        }
        Err(refusal) => {
            // The stages before the refused one have worked; those behind it were not tried.
            let tried: Vec<_> = Stage::ALL.iter().filter(|stage| stage.is_tried()).collect();
            let refused = tried.iter().position(|stage| stage.call() == refusal.call);
            let namespaces = if refused.is_some() { Ok(()) } else { Err(refusal.clone()) };
            checks.push(required("namespaces: mount, pid, ipc, uts, cgroup", namespaces));
            if let Some(at) = refused {
                let worked = tried.iter().take(at);
                checks.extend(worked.map(|stage| required(stage.call(), Ok(()))));
                checks.push(required(&refusal.call.clone(), Err(refusal)));
            }
        }
    }
    checks
}

fn required(what: &str, result: Result<(), Unavailable>) -> Check {
    Check { what: what.to_owned(), result: result.map(works), required: true }
}

fn works((): ()) -> String {
    "works".to_owned()
}

#[cfg(test)]
mod tests {
    use super::doctor;

    #[test]
    fn each_answer_stands_for_one_thing() {
        let checks = doctor(None);
        assert!(!checks.is_empty());
        for check in &checks {
            assert!(!check.what.is_empty());
            if let Err(refusal) = &check.result {
                assert!(!refusal.remedy.is_empty(), "{refusal}");
            }
        }
        let refusals = checks.iter().filter(|check| check.required && check.result.is_err());
        assert!(refusals.count() <= 1, "what follows a refusal was not tried: {checks:?}");
    }
}
