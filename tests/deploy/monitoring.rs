//! Alerts and the dashboard: every metric is one of docs/metrics.md, and Prometheus itself understands them.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    file, have, succeeds,
    support::{
        observe::until,
        proxy::Setup,
        servers::{Tenant, mariadb},
    },
    text,
};

/// The names of Greenroom's metrics in a text, without what histograms add to theirs.
fn names(text: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = text.split(|letter| !is_part(letter)).filter(|word| word.starts_with("greenroom_"));
    let bare = |word: &str| {
        let ends = ["_bucket", "_count", "_sum"].iter().find_map(|end| word.strip_suffix(end));
        ends.unwrap_or(word).to_owned()
    };
    words.map(bare).collect()
}

/// The metrics of which there is a sample.
fn sampled(served: &str) -> BTreeSet<String> {
    names(&served.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n"))
}

/// The metrics that docs/metrics.md has a row for, with that row.
fn documented() -> Vec<(String, String)> {
    let rows = text("docs/metrics.md");
    let rows = rows.lines().filter_map(|line| {
        let name = line.strip_prefix("| `greenroom_")?.split('`').next()?;
        Some((format!("greenroom_{name}"), line.to_owned()))
    });
    rows.collect()
}

/// Every expression of the dashboard's, its variables replaced.
fn expressions() -> Vec<String> {
    let board: Value = serde_json::from_str(&text("deploy/grafana/greenroom.json")).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let plain = |target: &Value| {
        let expression = target["expr"].as_str().unwrap();
        expression.replace("$__rate_interval", "5m").replace("$job", ".*").replace("$instance", ".*")
    };
    let all: Vec<String> = targets.map(plain).collect();
    assert!(all.len() > 20 && all.iter().all(|expression| !expression.contains('$')), "{all:#?}");
    all
}

/// Labels that the expression names, by `by (…)`, `without (…)` or a matcher.
fn labels(expression: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for clause in expression.split("by (").skip(1) {
        let list = clause.split(')').next().unwrap_or_default();
        found.extend(list.split(',').map(|label| label.trim().to_owned()));
    }
    for clause in expression.split('{').skip(1) {
        let list = clause.split('}').next().unwrap_or_default();
        found.extend(list.split("\",").filter_map(|matcher| Some(matcher.split(['=', '!']).next()?.trim().to_owned())));
    }
    found.retain(|label| !["", "le", "job", "instance"].contains(&label.as_str()));
    found
}

#[test]
fn every_metric_that_is_watched_is_documented_with_its_labels() {
    let documented = documented();
    assert!(documented.len() > 25, "{documented:#?}");
    let alerts = text("deploy/prometheus/alerts.yml");
    let rules = alerts.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).map(str::to_owned);
    let mut seen = BTreeSet::new();
    for expression in rules.chain(expressions()) {
        for name in names(&expression) {
            let row = documented.iter().find(|(known, _)| *known == name).map(|(_, row)| row);
            let row = row.unwrap_or_else(|| panic!("{name} is not in docs/metrics.md: {expression}"));
            for label in labels(&expression) {
                assert!(row.contains(&format!("`{label}`")), "{name} has no label {label}: {expression}");
            }
            seen.insert(name);
        }
    }
    assert!(names(&alerts).is_subset(&seen), "a metric outside of an expression: {:?}", names(&alerts));
    let unseen: Vec<_> = documented.iter().filter(|(name, _)| !seen.contains(name)).collect();
    assert!(unseen.is_empty(), "nobody looks at {unseen:#?}");
}

#[test]
fn every_panel_has_an_id_and_a_place_of_its_own() {
    let board: Value = serde_json::from_str(&text("deploy/grafana/greenroom.json")).unwrap();
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in board["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels have the id {}", panel["id"]);
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
        for place in (y..y + h).flat_map(|row| (x..x + w).map(move |column| (column, row))) {
            assert!(taken.insert(place), "{} lies on another panel", panel["title"]);
        }
    }
}

#[test]
fn the_alerts_do_what_they_say() {
    if !have("promtool", &["--version"]) {
        return;
    }
    let folder = file("deploy/prometheus");
    succeeds(Command::new("promtool").args(["check", "rules", "alerts.yml"]).current_dir(&folder));
    succeeds(Command::new("promtool").args(["test", "rules", "alerts.test.yml"]).current_dir(&folder));
}

#[test]
fn prometheus_understands_the_dashboard() {
    if !have("promtool", &["--version"]) {
        return;
    }
    let mut rules = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    for (number, expression) in expressions().iter().enumerate() {
        rules += &format!("  - record: panel:{number}\n    expr: {}\n", serde_json::to_string(expression).unwrap());
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dashboard.yml");
    fs::write(&path, rules).unwrap();
    succeeds(Command::new("promtool").args(["check", "rules"]).arg(path));
}

#[test]
fn what_a_proxy_serves_is_documented_and_well_formed() {
    let tenant = Tenant::new(mariadb(), "metrics");
    let proxy = Setup::new(mariadb().address()).user(&tenant.name, &tenant.password).start();
    let mut wire = tenant.connect(proxy.address());
    wire.scalar("SELECT 1");
    wire.query("CREATE TEMPORARY TABLE pins (a INT)").unwrap();
    // Workers hand their counts over now and then, each its own.
    let mut served = String::new();
    until("all is counted", || {
        served = proxy.get("/metrics").1;
        served.contains("greenroom_pins_total{") && sampled(&served).len() > 12
    });
    let documented: BTreeSet<String> = documented().into_iter().map(|(name, _)| name).collect();
    let unknown: Vec<_> = sampled(&served).difference(&documented).cloned().collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    if !have("promtool", &["--version"]) {
        return;
    }
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(served.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && complaints.trim().is_empty(), "{complaints}");
}
