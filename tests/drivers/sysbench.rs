//! sysbench's OLTP scripts, with prepared statements and without: the same counts as directly.

use std::{fmt::Write, process::Command};

use super::{
    stage::{Stage, each_stage},
    support::program::is_there,
};

const SCRIPTS: [&str; 3] = ["oltp_read_write", "oltp_insert", "oltp_point_select"];

#[test]
fn sysbench_oltp() {
    if !is_there("sysbench", Command::new("sysbench").arg("--version")) {
        return;
    }
    each_stage("sysbench", |stage| {
        for prepared in ["auto", "disable"] {
            let printed: Vec<_> =
                stage.targets.iter().map(|(_, address)| print(stage, address.port(), prepared)).collect();
            assert!(
                printed[0].contains("transactions: 40") && printed[0].contains("ignored errors: 0"),
                "{}",
                printed[0]
            );
            for (text, (mode, _)) in printed.iter().zip(&stage.targets) {
                assert!(
                    *text == printed[0],
                    "{mode}, prepared statements: {prepared}\n{text}\ndirectly\n{}",
                    printed[0]
                );
            }
        }
    });
}

/// What one client's work on tables of its own comes to.
fn print(stage: &Stage, port: u16, prepared: &str) -> String {
    let mut text = String::new();
    for script in SCRIPTS {
        run(stage, port, prepared, script, 1, "prepare");
        let statistics = run(stage, port, prepared, script, 1, "run");
        writeln!(text, "{script}\n{statistics}").unwrap();
        // Its random values are others each time, whatever the seed; how many rows there are is sure.
        let count = "SELECT (SELECT COUNT(*) FROM sbtest1) + (SELECT COUNT(*) FROM sbtest2)";
        writeln!(text, "rows: {:?}", stage.tenant.connect(stage.targets[0].1).scalar(count)).unwrap();
        run(stage, port, prepared, script, 1, "cleanup");
    }
    // Several clients at once: how much was done is sure, in which order is not.
    run(stage, port, prepared, "oltp_read_only", 1, "prepare");
    text += &run(stage, port, prepared, "oltp_read_only", 4, "run");
    run(stage, port, prepared, "oltp_read_only", 1, "cleanup");
    text
}

/// The counts of the statistics, without rates and times.
fn run(stage: &Stage, port: u16, prepared: &str, script: &str, threads: u32, command: &str) -> String {
    let mut sysbench = Command::new("timeout");
    sysbench.args(["60", "sysbench", script, "--mysql-host=127.0.0.1", "--mysql-ssl=off", "--time=0"]);
    sysbench.args(["--tables=2", "--table-size=100", "--events=40"]);
    sysbench.arg(format!("--mysql-port={port}")).arg(format!("--threads={threads}"));
    sysbench.arg(format!("--mysql-user={0}", stage.tenant.name)).arg(format!("--mysql-db={}", stage.tenant.name));
    sysbench.arg(format!("--mysql-password={}", stage.tenant.password)).arg(format!("--db-ps-mode={prepared}"));
    let output = sysbench.arg(command).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{script} {command}: {text}{}", String::from_utf8_lossy(&output.stderr));
    let statistics = text
        .lines()
        .skip_while(|line| *line != "SQL statistics:")
        .take_while(|line| !line.starts_with("General statistics"));
    let counts = statistics
        .map(|line| line.split('(').next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "));
    counts.collect::<Vec<_>>().join("\n")
}
