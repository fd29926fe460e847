//! systemd's units, the package's scripts, and what docs/operations.md says of them.

use std::{fs, process::Command, time::Duration};

use crate::{checked, file, have, succeeds, text};

/// Every `key = value` of a unit, in order.
fn settings(unit: &str) -> Vec<(String, String)> {
    let lines = unit.lines().filter(|line| !line.starts_with(['#', '[']) && !line.is_empty());
    let pair = |line: &str| {
        let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("no setting: {line}"));
        (key.to_owned(), value.to_owned())
    };
    lines.map(pair).collect()
}

fn has(unit: &[(String, String)], key: &str, value: &str) -> bool {
    unit.iter().any(|(k, v)| k == key && v == value)
}

fn value<'unit>(unit: &'unit [(String, String)], key: &str) -> &'unit str {
    &unit.iter().find(|(k, _)| k == key).unwrap_or_else(|| panic!("no {key}")).1
}

#[test]
fn the_service_is_hardened_and_fits_the_program() {
    let unit = settings(&text("deploy/systemd/greenroom.service"));
    let wanted = [
        ("Type", "notify-reload"),
        ("NotifyAccess", "all"),
        ("DynamicUser", "yes"),
        ("User", "greenroom"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("PrivateTmp", "yes"),
        ("ProtectSystem", "strict"),
        ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"),
        ("SystemCallFilter", "@system-service"),
        ("RestartPreventExitStatus", "64"),
        ("StartLimitIntervalSec", "0"),
        ("ExecStart", "/usr/bin/greenroom --config /etc/greenroom/greenroom.toml"),
    ];
    for (key, value) in wanted {
        assert!(has(&unit, key, value), "no {key}={value}");
    }
    let said = checked(&text("deploy/debian/greenroom.toml"), &[]);
    let word = said.split("drain_timeout ").nth(1).and_then(|rest| rest.split(',').next()).expect("it is said");
    let drain = humantime::parse_duration(word).unwrap();
    let stop = Duration::from_secs(value(&unit, "TimeoutStopSec").parse().unwrap());
    assert!(stop > drain, "{stop:?} is not longer than {drain:?}");
    let (descriptors, clients): (u64, u64) = (value(&unit, "LimitNOFILE").parse().unwrap(), 100_000);
    assert!(said.contains(&format!("max_clients {clients}")) && descriptors > clients + 100, "{said}");
}

#[test]
fn a_reload_checks_first_what_the_service_was_started_with() {
    let unit = settings(&text("deploy/systemd/greenroom.service"));
    let (program, arguments) = value(&unit, "ExecStart").split_once(' ').expect("it has arguments");
    let reload: Vec<&str> =
        unit.iter().filter(|(key, _)| key == "ExecReload").map(|(_, value)| value.as_str()).collect();
    assert_eq!(reload, [&format!("{program} check {arguments}"), "/bin/kill -HUP $MAINPID"]);
    // What is refused has to end in failure, and not for want of a server.
    let directory = tempfile::tempdir().unwrap();
    let configuration = directory.path().join("greenroom.toml");
    let packaged = text("deploy/debian/greenroom.toml");
    let nowhere = packaged.replace("127.0.0.1:3306", "127.0.0.1:1");
    for (content, code) in [(nowhere, 0), (packaged.replace("max_connections", "max_conections"), 64)] {
        fs::write(&configuration, content).unwrap();
        let check = arguments.replace("/etc/greenroom/greenroom.toml", &configuration.display().to_string());
        let mut command = Command::new(env!("CARGO_BIN_EXE_greenroom"));
        let output = command.arg("check").args(check.split(' ')).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_socket_is_an_endpoint_of_the_package() {
    let unit = settings(&text("deploy/systemd/greenroom.socket"));
    let listens = format!("endpoint \"{}\" on {}", value(&unit, "FileDescriptorName"), value(&unit, "ListenStream"));
    let said = checked(&text("deploy/debian/greenroom.toml"), &[]);
    assert!(said.contains(&listens), "{listens}: {said}");
}

#[test]
fn the_document_shows_what_is_deployed() {
    let document = text("docs/operations.md");
    let whole =
        ["greenroom.service", "greenroom.socket"].map(|name| settings(&text(&format!("deploy/systemd/{name}"))));
    let mut shown = 0;
    for block in document.split("```ini\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        for (key, value) in settings(block) {
            assert!(whole.iter().any(|unit| has(unit, &key, &value)), "{key}={value} is in no unit");
            shown += 1;
        }
    }
    assert!(shown > 8, "{shown}");
}

#[test]
fn systemd_understands_the_units() {
    if !have("systemd-analyze", &["--version"]) {
        return;
    }
    let version = succeeds(Command::new("systemd-analyze").arg("--version"));
    let version: u32 = version.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a version");
    let directory = tempfile::tempdir().unwrap();
    let service = directory.path().join("greenroom.service");
    let socket = directory.path().join("greenroom.socket");
    let unit = text("deploy/systemd/greenroom.service").replace("/usr/bin/greenroom", env!("CARGO_BIN_EXE_greenroom"));
    // The user and the type may be unknown here, which systemd only warns of.
    let unit = if version < 253 { unit.replace("Type=notify-reload\n", "") } else { unit };
    fs::write(&service, unit).unwrap();
    fs::copy(file("deploy/systemd/greenroom.socket"), &socket).unwrap();
    let said = succeeds(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&service).arg(&socket));
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("greenroom.")).collect();
    assert!(ours.is_empty(), "{ours:#?}");
}

#[test]
fn scripts_of_the_package_are_scripts() {
    for name in ["postinst", "prerm", "postrm"] {
        succeeds(Command::new("sh").arg("-n").arg(file(&format!("deploy/debian/scripts/{name}"))));
    }
    let manifest = text("Cargo.toml");
    let assets =
        manifest.split("assets = [").nth(1).and_then(|rest| rest.split("\n]").next()).expect("there are assets");
    for line in assets.lines().filter(|line| !line.is_empty()) {
        let source = line.split('"').nth(1).expect("a source");
        // What is built is made by scripts/release.
        let kept = source.trim_end_matches('*').trim_end_matches("*.yml");
        assert!(source.starts_with("target/") || file(kept).exists(), "{source}");
    }
}
