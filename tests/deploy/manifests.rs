//! Manifests for Kubernetes and the image: their ports, paths and times are the program's.

use std::{fs, process::Command};

use serde_json::Value;

use crate::{checked, file, have, succeeds, text};

/// The lines of a literal block (`key: |`), without their indentation.
fn block(yaml: &str, key: &str) -> String {
    let head = format!("{key}: |");
    let mut lines = yaml.lines().skip_while(|line| line.trim() != head);
    let depth = lines.next().map(|line| line.len() - line.trim_start().len()).expect("the block is there");
    let inside = lines.take_while(|line| line.trim().is_empty() || line.len() - line.trim_start().len() > depth);
    inside.map(|line| line.trim_start().to_owned() + "\n").collect()
}

/// The number behind the key's first occurrence.
fn number(yaml: &str, key: &str) -> u64 {
    let rest = yaml.split(&format!("{key}: ")).nth(1).unwrap_or_else(|| panic!("no {key}"));
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

#[test]
fn the_configuration_in_the_manifest_is_valid_and_its_ports_are_the_containers() {
    let yaml = text("deploy/kubernetes/greenroom.yml");
    let said = checked(&block(&yaml, "greenroom.toml"), &[("APP_PASSWORD", "secret")]);
    assert!(said.contains("on 0.0.0.0:6033") && said.contains("http 0.0.0.0:9180"), "{said}");
    for port in ["name: mysql, containerPort: 6033", "name: http, containerPort: 9180", "targetPort: mysql"] {
        assert!(yaml.contains(port), "{port}");
    }
    // The paths of the pages, and who asks for which.
    for (probe, path) in [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        let asked = yaml.split(&format!("{probe}:")).nth(1).and_then(|rest| rest.split("path: ").nth(1)).unwrap();
        assert!(asked.starts_with(&format!("{path}, port: http")), "{probe}");
        assert!(text("src/http.rs").contains(&format!("\"{path}\"")), "{path}");
    }
}

#[test]
fn a_pod_has_the_time_to_drain() {
    let yaml = text("deploy/kubernetes/greenroom.yml");
    let said = checked(&block(&yaml, "greenroom.toml"), &[("APP_PASSWORD", "secret")]);
    let drain = said.split("drain_timeout ").nth(1).and_then(|rest| rest.split("s,").next()).unwrap();
    let (grace, before) = (number(&yaml, "terminationGracePeriodSeconds"), number(&yaml, "sleep: { seconds"));
    assert!(grace > drain.parse::<u64>().unwrap() + before, "{grace} {drain} {before}");
}

#[test]
fn the_image_runs_the_program_without_a_shell_and_without_root() {
    let image = text("deploy/docker/Dockerfile");
    let said = checked(&text("deploy/docker/greenroom.toml"), &[]);
    assert!(said.contains("on 0.0.0.0:6033") && said.contains("http 0.0.0.0:9180"), "{said}");
    for line in ["USER 65532:65532", "EXPOSE 6033 9180", "ENTRYPOINT [\"/usr/bin/greenroom\"]"] {
        assert!(image.lines().any(|there| there == line), "{line}");
    }
    let toolchain = text("rust-toolchain.toml");
    let channel = toolchain.split('"').nth(1).unwrap();
    assert!(image.contains(&format!("FROM rust:{channel}-slim")), "{channel}");
    assert!(image.contains(&format!("RUSTUP_TOOLCHAIN={channel}")), "{channel}");
    let copied = image.lines().filter_map(|line| line.strip_prefix("COPY deploy/"));
    assert!(copied.into_iter().all(|line| file(&format!("deploy/{}", line.split(' ').next().unwrap())).exists()));
    let yaml = text("deploy/kubernetes/greenroom.yml");
    assert!(
        yaml.contains("runAsUser: 65532") && yaml.contains(&format!("image: greenroom:{}", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn every_manifest_is_yaml_and_names_what_is_there() {
    if !have("python3", &["-c", "import yaml"]) {
        return;
    }
    let program = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    let parse = |path: &str| -> Vec<Value> {
        let json = succeeds(Command::new("python3").args(["-c", program]).arg(file(path)));
        serde_json::from_str(&json).unwrap()
    };
    let mut kinds = Vec::new();
    for entry in fs::read_dir(file("deploy/kubernetes")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        for object in parse(&format!("deploy/kubernetes/{name}")) {
            assert!(object["apiVersion"].is_string() && object["metadata"]["name"] == "greenroom", "{object}");
            let kind = object["kind"].as_str().unwrap().to_owned();
            if kind == "HorizontalPodAutoscaler" {
                let metric = object["spec"]["metrics"][0]["external"]["metric"]["name"].as_str().unwrap().to_owned();
                assert!(text("docs/metrics.md").contains(&format!("| `{metric}`")), "{metric}");
            }
            kinds.push(kind);
        }
    }
    kinds.sort();
    assert_eq!(kinds, ["ConfigMap", "Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Service"]);
    assert_eq!(parse("deploy/prometheus/alerts.yml").len(), 1);
}
