//! Drivers of other languages: a program each, which plays the scenario at every address in turn.

use std::collections::BTreeMap;

use super::{
    stage::{Stage, each_stage},
    support::program::{Program, here},
};

/// Plays a driver's scenario on both servers, directly and in each mode, and compares what was printed.
pub(super) fn plays(program: &Program) {
    if !program.is_there() {
        return;
    }
    each_stage(program.name, |stage| {
        let printed = print(program, stage);
        assert!(printed.values().all(|texts| texts.len() == stage.targets.len()), "one text for each target");
        for (kind, texts) in &printed {
            stage.compare(&format!("{} {kind}", program.name), texts);
        }
    });
}

/// By kind of session, where a script has several, what each target was seen to say.
fn print(program: &Program, stage: &Stage) -> BTreeMap<String, Vec<(String, String)>> {
    let mut command = program.command();
    command.arg(here("drivers/statements.txt"));
    command.args([&stage.tenant.name, &stage.tenant.password, &stage.tenant.name]);
    command.args(stage.targets.iter().map(|(name, address)| format!("{name}={}", address.port())));
    let output = command.output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let tail = text.lines().rev().take(15).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n");
    assert!(output.status.success(), "{} ended with {}\n{tail}\n{errors}", program.name, output.status);
    let mut printed: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for part in text.split("== target ").skip(1) {
        let (head, rest) = part.split_once('\n').unwrap();
        let (target, kind) = head.split_once(' ').unwrap_or((head, ""));
        let (body, _) = rest.split_once(&format!("== end {target}\n")).expect("the scenario came to its end");
        printed.entry(kind.to_owned()).or_default().push((target.to_owned(), body.to_owned()));
    }
    printed
}
