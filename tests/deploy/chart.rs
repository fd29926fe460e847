//! The Helm chart, rendered by helm itself: what it makes is what the plain manifests are, and the configurations in it are valid.

use std::{collections::BTreeMap, fs, process::Command};

use serde_json::Value;

use crate::{
    file, have, succeeds,
    support::{installed::installed, servers::is_required},
    text,
};

/// Everything that can be switched on.
const ALL: [&str; 8] = [
    "fleet.enabled=true",
    "fleet.etcd.create=true",
    "autoscaling.enabled=true",
    "serviceMonitor.enabled=true",
    "serviceMonitor.labels.release=prometheus",
    "secrets.APP_PASSWORD=it's a \"secret\": 100%",
    "existingSecrets={there}",
    "extraEnv[0].name=GREENROOM__SERVER__MAX_CLIENTS",
];

/// `helm`, if `scripts/install-helm` has been run.
fn helm() -> Option<Command> {
    let path = installed("helm/helm");
    if path.exists() {
        let mut helm = Command::new(path);
        helm.current_dir(file("deploy/helm"));
        return Some(helm);
    }
    assert!(!is_required(), "there is no helm; scripts/install-helm gets one");
    have("helm", &["version"]).then(|| Command::new("helm"))
}

/// What the chart makes with these values, by kind and name; nothing where there is no helm.
fn rendered(values: &[&str]) -> Option<BTreeMap<String, Value>> {
    if !have("python3", &["-c", "import yaml"]) {
        return None;
    }
    let mut helm = helm()?;
    helm.args(["template", "web", "greenroom", "--namespace", "shop"]);
    helm.args(values.iter().flat_map(|value| ["--set", value]));
    let yaml = succeeds(&mut helm);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rendered.yaml");
    fs::write(&path, yaml).unwrap();
    let program =
        "import json, sys, yaml; print(json.dumps([it for it in yaml.safe_load_all(open(sys.argv[1])) if it]))";
    let json = succeeds(Command::new("python3").args(["-c", program]).arg(path));
    let objects: Vec<Value> = serde_json::from_str(&json).unwrap();
    let name = |it: &Value| format!("{} {}", it["kind"].as_str().unwrap(), it["metadata"]["name"].as_str().unwrap());
    Some(objects.into_iter().map(|it| (name(&it), it)).collect())
}

/// The plain manifest's object of this kind.
fn plain(kind: &str) -> Value {
    let program = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    let json = succeeds(Command::new("python3").args(["-c", program]).arg(file("deploy/kubernetes/greenroom.yml")));
    let objects: Vec<Value> = serde_json::from_str(&json).unwrap();
    objects.into_iter().find(|it| it["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

/// What `greenroom check` says of the configuration that a pod has.
fn checked(objects: &BTreeMap<String, Value>) -> String {
    let files = objects["ConfigMap web-greenroom"]["data"].as_object().unwrap();
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(directory.path().join(name), content.as_str().unwrap()).unwrap();
    }
    let arguments = &objects["Deployment web-greenroom"]["spec"]["template"]["spec"]["containers"][0]["args"];
    let mut check = Command::new(env!("CARGO_BIN_EXE_greenroom"));
    check.arg("check");
    for argument in arguments.as_array().unwrap() {
        let there = argument.as_str().unwrap().replace("/etc/greenroom", directory.path().to_str().unwrap());
        check.arg(there);
    }
    let said = succeeds(&mut check);
    assert!(!said.contains("warning: "), "{said}");
    said
}

/// Whether all that a pod of a selector's must have is what pods have.
fn selects(selector: &Value, pod: &Value) -> bool {
    selector.as_object().unwrap().iter().all(|(key, value)| pod["metadata"]["labels"][key] == *value)
}

#[test]
fn helm_has_nothing_to_say_against_the_chart() {
    let Some(mut lint) = helm() else { return };
    let said =
        succeeds(lint.args(["lint", "greenroom", "--strict"]).args(ALL.iter().flat_map(|value| ["--set", value])));
    assert!(said.contains("0 chart(s) failed") && !said.contains("[WARNING]"), "{said}");
    let chart = text("deploy/helm/greenroom/Chart.yaml");
    let version = env!("CARGO_PKG_VERSION");
    for line in [format!("version: {version}"), format!("appVersion: \"{version}\"")] {
        assert!(chart.lines().any(|there| there == line), "{line}");
    }
}

#[test]
fn with_the_usual_values_a_pod_is_that_of_the_plain_manifest() {
    let Some(objects) = rendered(&[]) else { return };
    let kinds: Vec<_> = objects.keys().map(|key| key.split(' ').next().unwrap()).collect();
    assert_eq!(kinds, ["ConfigMap", "Deployment", "PodDisruptionBudget", "Service"]);
    let said = checked(&objects);
    assert!(said.contains("on 0.0.0.0:6033") && said.contains("http 0.0.0.0:9180"), "{said}");
    let (chart, manifest) = (&objects["Deployment web-greenroom"]["spec"], &plain("Deployment")["spec"]);
    assert_eq!((&chart["replicas"], &chart["strategy"]), (&manifest["replicas"], &manifest["strategy"]));
    let (pod, other) = (&chart["template"]["spec"], &manifest["template"]["spec"]);
    for key in ["terminationGracePeriodSeconds", "automountServiceAccountToken", "securityContext"] {
        assert_eq!(pod[key], other[key], "{key}");
    }
    let (one, two) = (&pod["containers"][0], &other["containers"][0]);
    for key in [
        "image",
        "args",
        "ports",
        "lifecycle",
        "startupProbe",
        "livenessProbe",
        "readinessProbe",
        "resources",
        "securityContext",
        "volumeMounts",
    ] {
        assert_eq!(one[key], two[key], "{key}");
    }
    let drain = said.split("drain_timeout ").nth(1).and_then(|rest| rest.split("s,").next()).unwrap();
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(grace > drain.parse::<u64>().unwrap() + one["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap());
    assert_eq!(objects["Service web-greenroom"]["spec"]["ports"], plain("Service")["spec"]["ports"]);
}

#[test]
fn what_is_switched_on_fits_together() {
    let Some(objects) = rendered(&ALL) else { return };
    let said = checked(&objects);
    assert!(said.contains("fleet \"shop.web-greenroom\" by etcd at web-greenroom-etcd:2379"), "{said}");
    let pods = ["", "-etcd"].map(|name| &objects[&format!("Deployment web-greenroom{name}")]["spec"]);
    for (at, name) in ["", "-etcd"].iter().enumerate() {
        let service = &objects[&format!("Service web-greenroom{name}")]["spec"];
        assert!(
            selects(&service["selector"], &pods[at]["template"])
                && !selects(&service["selector"], &pods[1 - at]["template"])
        );
        assert!(selects(&pods[at]["selector"]["matchLabels"], &pods[at]["template"]));
        let named: Vec<_> = pods[at]["template"]["spec"]["containers"][0]["ports"]
            .as_array()
            .unwrap()
            .iter()
            .map(|port| &port["name"])
            .collect();
        let ports = service["ports"].as_array().unwrap();
        assert!(ports.iter().all(|port| named.contains(&&port["targetPort"])), "{ports:?}");
    }
    // Nobody but the proxies reaches etcd, and nothing of a pod tells of its secrets.
    let policy = &objects["NetworkPolicy web-greenroom-etcd"]["spec"];
    assert!(selects(&policy["podSelector"]["matchLabels"], &pods[1]["template"]));
    assert!(!selects(&policy["podSelector"]["matchLabels"], &pods[0]["template"]));
    let from = policy["ingress"][0]["from"].as_array().unwrap();
    assert!(from.len() == 1 && selects(&from[0]["podSelector"]["matchLabels"], &pods[0]["template"]));
    assert!(!selects(&from[0]["podSelector"]["matchLabels"], &pods[1]["template"]));
    assert_eq!((policy["ingress"].as_array().unwrap().len(), &policy["policyTypes"][0]), (1, &"Ingress".into()));
    let annotations = &pods[0]["template"]["metadata"]["annotations"];
    assert_eq!(annotations["greenroom/revision"], "1");
    let others = ["APP_PASSWORD=another"].map(|secret| format!("secrets.{secret}"));
    let others: Vec<&str> = ALL.iter().copied().chain(others.iter().map(String::as_str)).collect();
    let other = &rendered(&others).unwrap()["Deployment web-greenroom"]["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(annotations, other, "whatever the secrets are");
    let etcd = &objects["Service web-greenroom-etcd"]["spec"]["ports"][0];
    assert_eq!(etcd["port"], 2379);
    // The autoscaler says how many pods there are.
    assert!(pods[0]["replicas"].is_null());
    let scaler = &objects["HorizontalPodAutoscaler web-greenroom"]["spec"];
    assert_eq!(scaler["scaleTargetRef"]["name"], "web-greenroom");
    let metric = scaler["metrics"][0]["external"]["metric"]["name"].as_str().unwrap();
    assert!(text("docs/metrics.md").contains(&format!("| `{metric}`")), "{metric}");
    let monitor = &objects["ServiceMonitor web-greenroom"]["spec"];
    assert!(selects(&monitor["selector"]["matchLabels"], &objects["Service web-greenroom"]));
    let http = |port: &Value| port["name"] == monitor["endpoints"][0]["port"];
    assert!(objects["Service web-greenroom"]["spec"]["ports"].as_array().unwrap().iter().any(http));
    let budget = &objects["PodDisruptionBudget web-greenroom"]["spec"]["selector"]["matchLabels"];
    assert!(selects(budget, &pods[0]["template"]));
    // A secret is as it was given, and the pod has it.
    assert_eq!(objects["Secret web-greenroom"]["data"]["APP_PASSWORD"], "aXQncyBhICJzZWNyZXQiOiAxMDAl");
    let given = pods[0]["template"]["spec"]["containers"][0]["envFrom"].to_string();
    assert!(given.contains("\"web-greenroom\"") && given.contains("\"there\""), "{given}");
}

#[test]
fn a_fleet_without_a_place_to_meet_is_refused_and_another_configuration_is_other_pods() {
    let Some(mut helm) = helm() else { return };
    let output = helm.args(["template", "web", "greenroom", "--set", "fleet.enabled=true"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("needs fleet.etcd.endpoints"), "{said}");
    let mark = |values: &[&str]| {
        let objects = rendered(values).unwrap();
        objects["Deployment web-greenroom"]["spec"]["template"]["metadata"]["annotations"].clone()
    };
    let meet = ["fleet.enabled=true", "fleet.etcd.endpoints={http://one:2379,http://two:2379}"];
    assert_eq!(mark(&meet), mark(&meet));
    assert_ne!(mark(&meet), mark(&[]));
    let objects = rendered(&meet).unwrap();
    assert!(checked(&objects).contains("by etcd at one:2379, two:2379"));
    assert!(!objects.contains_key("Deployment web-greenroom-etcd"));
}
