//! `kiln plan`.

use serde_json::Value;

use crate::support::{Kiln, Run, base};

const DOCKERFILE: &str = "FROM does.not.exist.example/image AS unused\n\
    RUN exit 1\n\
    FROM base AS build\n\
    WORKDIR /w\n\
    COPY f .\n\
    ENV A=b\n\
    RUN echo made > out\n\
    FROM scratch AS files\n\
    COPY f /g\n\
    FROM base\n\
    COPY --from=build /w/out /\n\
    COPY --from=files /g /\n";

fn plan(kiln: &Kiln, args: &[&str]) -> Run {
    let context = kiln.context();
    let mut all = vec!["plan", context.to_str().unwrap()];
    all.extend(args);
    kiln.run(all)
}

fn steps(plan: &Value, stage: usize) -> Vec<(String, bool)> {
    let steps = plan["builds"][0]["stages"][stage]["steps"].as_array().unwrap();
    let step = |step: &Value| {
        (step["name"].as_str().unwrap().to_owned(), step["cached"].as_bool().unwrap())
    };
    steps.iter().map(step).collect()
}

#[test]
fn a_plan_says_what_would_be_done_and_does_nothing() {
    let Some(busybox) = base("busybox") else { return };
    let kiln = Kiln::with(DOCKERFILE);
    kiln.file("f", "1");
    let named = Kiln::base_arg("base", &busybox);
    let args = ["--build-context", &named, "--format", "json"];
    let planned = |args: &[&str]| -> Value {
        let run = plan(&kiln, args);
        assert_eq!(run.code, 0, "{}", run.stderr);
        serde_json::from_str(&run.stdout).unwrap()
    };
    let first = planned(&args);
    let stages = first["builds"][0]["stages"].as_array().unwrap();
    let needed: Vec<bool> = stages.iter().map(|stage| stage["needed"].as_bool().unwrap()).collect();
    assert_eq!(needed, [false, true, true, true]);
    assert_eq!(steps(&first, 0), []);
    assert_eq!(
        steps(&first, 1),
        [
            ("[build 2/4] WORKDIR /w".to_owned(), false),
            ("[build 3/4] COPY f .".to_owned(), false),
            ("[build 4/4] RUN echo made > out".to_owned(), false),
        ]
    );
    let run = &stages[1]["steps"][2];
    assert!(run["runner"].is_string() || !run["refusals"].as_array().unwrap().is_empty(), "{run}");
    assert_eq!(run["line"], 7);
    assert!(
        !kiln.path("work/cache/v2").read_dir().unwrap().any(|_| true),
        "a plan leaves no result"
    );

    kiln.build(&args[..2]);
    let again = planned(&args);
    for stage in 1..4 {
        assert!(steps(&again, stage).iter().all(|(_, cached)| *cached), "{again}");
    }
    kiln.file("f", "2");
    let changed = planned(&args);
    let cached =
        |stage| steps(&changed, stage).iter().map(|(_, cached)| *cached).collect::<Vec<_>>();
    assert_eq!(
        (cached(1), cached(2), cached(3)),
        (vec![true, false, false], vec![false], vec![false; 2])
    );
    let because = &changed["builds"][0]["stages"][3]["steps"][0]["because"];
    assert_eq!(because, "steps of `build` are executed");
    let uncached = planned(&[&args[..], &["--no-cache"]].concat());
    assert!(steps(&uncached, 1).iter().all(|(_, cached)| !*cached));
}

#[test]
fn a_plan_for_people() {
    let kiln =
        Kiln::with("FROM scratch AS one\nCOPY f /\nFROM one AS two\nRUN [\"/f\"]\nFROM scratch\n");
    kiln.file("f", "1");
    let run = plan(&kiln, &["--target", "two", "--runner", "emulated"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    for line in [
        "target stage 1 `two`, 2 of 3 stages needed",
        "stage 0 `one`: from scratch",
        "stage 1 `two`: from stage 0 `one`",
        "  [two 2/2] RUN [\"/f\"]",
        "executed: steps of its base are executed",
        "stage 2: not needed",
    ] {
        assert!(run.stdout.contains(line), "{line}:\n{}", run.stdout);
    }
    plan(&kiln, &["--target", "tow"]).expect(2, "did you mean `two`?");
    kiln.file("Dockerfile", "FROM scratch\nCOPY none /\n");
    plan(&kiln, &[]).expect(2, "\"none\": not found");
}
