//! The status page, and the document that it shows against its description.

use std::collections::BTreeMap;

use greenroom::demo::server::free_port;
use serde_json::Value;

use crate::support::{
    observe::until,
    proxy::Setup,
    servers::{Tenant, each_server},
};

/// Fields and their types, as docs/status.md has them.
fn described() -> BTreeMap<String, String> {
    let rows = include_str!("../../docs/status.md").lines().filter_map(|line| line.strip_prefix("| `"));
    let field = |row: &str| {
        let (name, rest) = row.split_once('`').unwrap();
        (name.to_owned(), rest.split('|').nth(1).unwrap().trim().to_owned())
    };
    rows.map(field).collect()
}

/// Fields and their types, as a document has them.
fn found(value: &Value, path: &str, fields: &mut Vec<(String, &'static str)>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !path.is_empty() && !path.ends_with("[]") && !path.ends_with(".*") {
        fields.push((path.to_owned(), kind));
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| found(item, &format!("{path}[]"), fields)),
        Value::Object(entries) => {
            for (name, entry) in entries {
                let dot = if path.is_empty() { "" } else { "." };
                let name = if path == "pins_total" { "*" } else { name };
                found(entry, &format!("{path}{dot}{name}"), fields);
            }
        }
        _ => {}
    }
}

#[test]
fn the_document_is_as_it_is_described() {
    each_server(|server| {
        let tenant = Tenant::new(server, "status");
        let port = free_port().unwrap();
        let shadowed = format!(
            "[[endpoints]]\nname = \"own\"\nlisten = \"127.0.0.1:{port}\"\npool = \"none\"\nshadow = \"transaction\"\n"
        );
        let proxy = Setup::new(server.address())
            .first_node(server.address(), &["max_connections = 2"])
            .endpoint("lease_timeout = \"150ms\"")
            .user(&tenant.name, &tenant.password)
            .extra(&shadowed)
            .start();
        let mut session = tenant.connect(proxy.address());
        session.ok("DO GET_LOCK('x', 1)");
        let mut own = tenant.connect(([127, 0, 0, 1], port).into());
        own.ok("DO GET_LOCK('y', 1)");
        let mut late = tenant.connect(proxy.address());
        assert_eq!(late.err("SELECT 1").code, 1040);
        late.quit().unwrap();
        let document = || -> Value {
            let (status, body) = proxy.get("/api/v1/status");
            assert_eq!(status, 200, "{body}");
            serde_json::from_str(&body).unwrap()
        };
        until("the counts are handed over", || {
            document()["leases"]["opened"] != 0
                && document()["endpoints"][0]["clients"] == 1
                && !document()["pins_total"]["user_lock"].is_null()
        });
        let document = document();
        let (described, mut fields) = (described(), Vec::new());
        found(&document, "", &mut fields);
        for (name, kind) in &fields {
            let types = described.get(name).unwrap_or_else(|| panic!("{name} is not described"));
            // A number may happen to be whole.
            let fits = |wanted: &str| wanted == *kind || wanted == "number" && *kind == "integer";
            assert!(types.split(" or ").any(fits), "{name} is {kind}, described as {types}");
        }
        for name in described.keys() {
            assert!(fields.iter().any(|(found, _)| found == name), "{name} is described, and not there");
        }
        let shadow = &document["shadows"][0];
        assert_eq!((&shadow["endpoint"], &shadow["leases"], &shadow["size"]), (&"own".into(), &1.into(), &1.into()));
        let pin = &shadow["pins"][0];
        assert_eq!((&pin["reason"], &pin["statement"]), (&"user_lock".into(), &"DO GET_LOCK(?, ?)".into()));
        let wait = &document["slowest_waits"][0];
        assert_eq!((&wait["endpoint"], &wait["user"]), (&"app".into(), &tenant.name.as_str().into()));
        assert!(wait["end"] == "gave_up" && wait["seconds"].as_f64().unwrap() >= 0.15, "{wait}");
        let endpoint = &document["endpoints"][0];
        assert_eq!(
            (&endpoint["clients"], &endpoint["backends"], &endpoint["pinned"]),
            (&1.into(), &1.into(), &1.into())
        );
        assert_eq!(
            (&document["pins"][0]["reason"], &document["pins"][0]["sessions"]),
            (&"user_lock".into(), &1.into())
        );
        assert_eq!((&document["nodes"][0]["health"], &document["nodes"][0]["leased"]), (&"up".into(), &2.into()));
    });
}

#[test]
fn the_page_asks_for_nothing_from_elsewhere() {
    let proxy = Setup::new(crate::support::servers::mariadb().address()).start();
    let (status, page) = proxy.get("/");
    assert_eq!(status, 200);
    assert!(page.contains("<title>Greenroom</title>") && page.contains("/api/v1/status"));
    for part in ["src=", "@import", "url(", "integrity=", "//cdn"] {
        assert!(!page.contains(part), "the page has {part}");
    }
    // A namespace is no address that anybody asks for.
    assert_eq!(page.matches("http").count(), page.matches("http://www.w3.org/2000/svg").count());
}
