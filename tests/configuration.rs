//! Configuration as operators meet it: layers, precedence, every kind of mistake with its place and text.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "configuration/case.rs"]
mod case;
#[path = "configuration/colours.rs"]
mod colours;
#[path = "configuration/mistakes.rs"]
mod mistakes;

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use case::{Case, endpoint, file, user, with_servers};
use greenroom::config::{Loaded, Summary};
use greenroom_actors::settings::{Access, CredentialSource, Pinning, PoolMode, Role, UserSecret};

/// The documented example, as it stands.
const EXAMPLE: &str = r#"[server]
workers = 0                      # 0: one a CPU
max_clients = 100_000

[[nodes]]
name = "db1"
address = "127.0.0.1:3306"       # or unix:/run/mysqld/mysqld.sock
role = "primary"                 # primary | replica | auto (by read_only)
max_connections = 100            # every backend connection to this node, pins included
min_idle = 0
tls = "preferred"                # disabled | preferred | required | verify-ca | verify-identity

[[endpoints]]
name = "app"
listen = "127.0.0.1:6033"
access = "read_write"            # read_write | read_only
pool = "transaction"             # none | session | transaction
pinning = "tracked"              # tracked | strict
nodes = ["db1"]
tls = "preferred"                # disabled | preferred | required | verify-client
idle_timeout = "10s"
lease_timeout = "10s"

[[users]]
name = "app"
password = "app-secret"          # or password_file, password_env, password_hash; backend_user/backend_password to map

[http]
listen = "127.0.0.1:9180"        # /metrics /healthz /readyz / and /api/v1/status

[admin]
listen = "127.0.0.1:6032"
user = "admin"
password_env = "GREENROOM_ADMIN_PASSWORD"
"#;

#[test]
fn without_any_configuration_a_local_server_is_pooled() {
    let Loaded { settings, warnings, log, .. } = Case::new().loads();
    assert_eq!(warnings, []);
    assert_eq!(log.level, slog::Level::Info);
    assert!(settings.server.workers >= 1);
    assert_eq!(settings.server.max_clients, 100_000);
    assert_eq!(settings.server.max_logins, 20_000);
    assert_eq!(settings.server.max_packet, 1 << 30);
    assert_eq!((settings.nodes.len(), settings.endpoints.len(), settings.users.len()), (1, 1, 0));
    assert_eq!(settings.nodes[0].address.to_string(), "127.0.0.1:3306");
    assert_eq!(settings.nodes[0].role, Role::Primary);
    let endpoint = &settings.endpoints[0];
    assert_eq!(endpoint.listen.to_string(), "127.0.0.1:6033");
    assert_eq!(endpoint.pool, PoolMode::Transaction);
    assert_eq!(endpoint.pinning, Pinning::Tracked);
    assert_eq!(endpoint.credentials, CredentialSource::Learned);
    assert_eq!(endpoint.idle_timeout, Duration::from_secs(10));
    assert_eq!(endpoint.client_idle_timeout, None);
    assert_eq!(endpoint.nodes, settings.nodes);
    assert_eq!(settings.http, None);
}

#[test]
fn the_example_of_the_specification_loads_as_it_stands() {
    let case = file(EXAMPLE);
    let Loaded { settings, .. } = case.loads();
    assert_eq!(settings.http.map(|listen| listen.to_string()).as_deref(), Some("127.0.0.1:9180"));
    assert_eq!(settings.endpoints[0].credentials, CredentialSource::Static);
    assert!(matches!(&settings.users[0].secret, UserSecret::Password(password) if password.expose() == b"app-secret"));
    assert_eq!(
        case.warnings(),
        [
            "a.toml:34: admin.password_env: environment variable GREENROOM_ADMIN_PASSWORD is not set: there is no console, since nobody could log in",
        ]
    );
}

#[test]
fn the_console_is_on_this_machine_alone_once_it_has_a_password() {
    let console = |case: &Case| case.loads().settings.admin.map(|it| (it.listen.to_string(), it.user));
    assert_eq!(console(&Case::new()), None);
    assert_eq!(console(&file("admin.password='x'")), Some(("127.0.0.1:6032".into(), "admin".into())));
    assert_eq!(console(&file("admin.password='x'\nadmin.listen='off'")), None);
    // Who thinks of it and not of that is told.
    let told = file("[admin]\nuser='root'\ntls='required'").warnings();
    let expected = ["user", "tls"].map(|key| format!("admin.{key}: it is not used, since the console has no password"));
    assert!(expected.iter().all(|it| told.iter().any(|warning| warning.contains(it))), "{told:?}");
    // Where there is none, its address is free for others.
    let taken = "[[endpoints]]\nname='app'\nlisten='127.0.0.1:6032'";
    assert_eq!(console(&file(taken)), None);
    let clash = file(&format!("admin.password='x'\n{taken}")).errors();
    assert!(clash.iter().any(|it| it.contains("is already listened on by")), "{clash:?}");
}

#[test]
fn later_layers_win() {
    let max_clients = |case: &Case| case.loads().settings.server.max_clients;
    let case = Case::new();
    assert_eq!(max_clients(&case), 100_000);
    let case = case.file("a.toml", "server.max_clients = 1").file("b.toml", "[server]\nworkers = 3");
    assert_eq!(max_clients(&case), 1);
    let case = case.file("c.toml", "[server]\nmax_clients = 2");
    assert_eq!(max_clients(&case), 2);
    let case = case.variable("GREENROOM__SERVER__MAX_CLIENTS", "3_000");
    assert_eq!(max_clients(&case), 3_000);
    let case = case.set("server.max_clients=4");
    assert_eq!(max_clients(&case), 4);
    let case = case.set("server.max_clients=5");
    assert_eq!(max_clients(&case), 5);
    assert_eq!(case.loads().settings.server.workers, 3);
}

#[test]
fn a_later_list_replaces_an_earlier_one() {
    let case = file("[[users]]\nname='a'\npassword='1'\n[[users]]\nname='b'\npassword='2'")
        .file("b.toml", "[[users]]\nname='c'\npassword='3'");
    let names: Vec<_> = case.loads().settings.users.iter().map(|user| user.name.clone()).collect();
    assert_eq!(names, ["c"]);
}

#[test]
fn an_entry_takes_what_it_leaves_out_from_the_defaults() {
    let settings = with_servers("").loads().settings;
    assert_eq!(settings.nodes[0].max_connections, 100);
    assert_eq!(settings.nodes[0].max_lifetime, Some(Duration::from_secs(3600)));
    assert_eq!(settings.endpoints[0].lease_timeout, Duration::from_secs(10));
    assert_eq!(settings.endpoints[0].access, Access::ReadWrite);
}

#[test]
fn the_environment_changes_single_keys_and_appends_entries() {
    let settings = with_servers("")
        .variable("GREENROOM__NODES__0__MAX_CONNECTIONS", "7")
        .variable("GREENROOM__NODES__1__NAME", "second")
        .variable("GREENROOM__NODES__1__ADDRESS", "[::1]:3307")
        .variable("GREENROOM__NODES__1__ROLE", "replica")
        .variable("GREENROOM__ENDPOINTS__0__NODES", "n, second")
        .variable("GREENROOM__ENDPOINTS__0__POOL_BY_CLIENT_IP", "true")
        .variable("GREENROOM_ADMIN_PASSWORD", "nobody asks")
        .loads()
        .settings;
    assert_eq!(settings.nodes[0].max_connections, 7);
    assert_eq!(settings.nodes[0].address.to_string(), "h:1");
    assert_eq!(settings.nodes[1].address.to_string(), "[::1]:3307");
    assert_eq!(settings.nodes[1].max_connections, 100);
    assert_eq!(settings.endpoints[0].nodes, settings.nodes);
    assert!(settings.endpoints[0].pool_by_client_ip);
}

#[test]
fn one_name_of_a_list_can_be_changed() {
    let nodes = "[[nodes]]\nname='a'\naddress='h:1'\n[[nodes]]\nname='b'\naddress='h:2'\n";
    let settings = file(&format!("{nodes}[[endpoints]]\nname='e'\nlisten='127.0.0.1:1'\nnodes=['a']"))
        .variable("GREENROOM__ENDPOINTS__0__NODES__0", "b")
        .set("endpoints[0].pool=session")
        .loads()
        .settings;
    assert_eq!(settings.endpoints[0].nodes[0].name, "b");
    assert_eq!(settings.endpoints[0].pool, PoolMode::Session);
}

#[test]
fn the_log_is_configured_like_the_rest() {
    let log = file("[log]\nformat = 'json'").variable("GREENROOM__LOG__LEVEL", "debug").loads().log;
    assert_eq!((log.level, log.format), (slog::Level::Debug, greenroom::telemetry::log::Format::Json));
}

#[test]
fn read_only_endpoints_take_replicas_auto_nodes_or_the_fallback() {
    let replica = "[[nodes]]\nname='r'\naddress='h:1'\nrole='replica'\n[[endpoints]]\nname='e'\nlisten='127.0.0.1:1'\n";
    file(&format!("{replica}access='read_only'")).loads();
    endpoint("access='read_only'\nfallback_to_primary=true").loads();
    file(&format!("{}access='read_only'", replica.replace("'replica'", "'auto'"))).loads();
    let text =
        "a.toml:5: endpoints[0].access: no node behind it takes writes; expected a node with role primary or auto";
    assert_eq!(file(replica).errors(), [text]);
}

#[test]
fn endpoints_split_over_both_sides_in_a_transaction_pool() {
    let nodes = "[[nodes]]\nname='p'\naddress='h:1'\n[[nodes]]\nname='r'\naddress='h:2'\nrole='replica'\n";
    let split = format!("{nodes}[[endpoints]]\nname='e'\nlisten='127.0.0.1:1'\naccess='split'\n");
    let timeout = |case: &Case| case.loads().settings.endpoints[0].causal_timeout;
    assert_eq!(timeout(&file(&split)), Some(Duration::from_secs(1)));
    assert_eq!(timeout(&file(&format!("{split}causal_timeout='200ms'"))), Some(Duration::from_millis(200)));
    assert_eq!(timeout(&file(&format!("{split}causal_reads='off'"))), None);
    let expected = "two nodes at least: one with role primary or auto, one with replica or auto";
    for (from, to, what) in [
        ("'replica'", "'primary'", "no node behind it is a replica"),
        ("'h:1'", "'h:1'\nrole='replica'", "no node behind it takes writes"),
    ] {
        let errors = file(&split.replacen(from, to, 1)).errors();
        let line = split.replacen(from, to, 1).lines().position(|line| line.starts_with("access")).unwrap() + 1;
        assert_eq!(errors, [format!("a.toml:{line}: endpoints[0].access: {what}; expected {expected}")]);
    }
    let errors = file(&format!("{split}pool='session'\npinning='strict'\ncausal_timeout='0s'")).errors();
    assert_eq!(
        errors,
        [
            "a.toml:12: endpoints[0].pool: a session with a connection of its own cannot be split; expected \"transaction\" with access = \"split\"",
            "a.toml:13: endpoints[0].pinning: a session that stays where it was cannot be split; expected \"tracked\" with access = \"split\"",
            "a.toml:14: endpoints[0].causal_timeout: it is no time at all; expected more than 0s",
        ]
    );
}

#[test]
fn passwords_come_from_text_file_environment_or_hash() {
    let secret = |case: &Case| case.loads().settings.users[0].secret.clone();
    let clear = |case: &Case| match secret(case) {
        UserSecret::Password(password) => String::from_utf8(password.expose().to_vec()).unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(clear(&user("password = ''")), "");
    assert_eq!(clear(&user("password_env = 'PW'").variable("PW", "from env")), "from env");
    let case = Case::new();
    let path = case.write("pw", "from file\n", 0o600);
    assert_eq!(clear(&user(&format!("password_file = '{}'", path.display()))), "from file");
    let sha1 = format!("password_hash = '*{}'", "0A".repeat(20));
    assert_eq!(secret(&user(&sha1)), UserSecret::NativeDoubleSha1([10; 20]));
    let sha256 = format!("password_hash = 'sha256:{}'", "0b".repeat(32));
    assert_eq!(secret(&user(&sha256)), UserSecret::Sha2Double([11; 32]));
}

#[test]
fn users_are_mapped_to_the_server() {
    let user = user("password = 'x'\nbackend_user = 'b'\nbackend_password_env = 'B'").variable("B", "y").loads();
    let user = &user.settings.users[0];
    assert_eq!(user.backend_user.as_deref(), Some("b"));
    assert_eq!(user.backend_password.as_ref().map(|password| password.expose()), Some(&b"y"[..]));
}

#[test]
fn users_may_need_a_certificate_of_their_own() {
    let case = user("password = ''\ntls_subject = '/O=Example/CN=app'");
    assert_eq!(case.loads().settings.users[0].tls_subject.as_deref(), Some("/O=Example/CN=app"));
    let nobody =
        "users[0].tls_subject: no endpoint verifies certificates of clients (tls_ca): nobody can log in as this user";
    assert!(case.warnings().iter().any(|warning| warning.ends_with(nobody)), "{:?}", case.warnings());
}

#[test]
fn credentials_follow_the_users_unless_said_otherwise() {
    let source = |case: &Case| case.loads().settings.endpoints[0].credentials;
    assert_eq!(source(&Case::new()), CredentialSource::Learned);
    assert_eq!(source(&user("password='x'")), CredentialSource::Static);
    assert_eq!(source(&user("password='x'").set("endpoints.0.credentials=learned")), CredentialSource::Learned);
}

#[test]
fn readable_passwords_are_warned_of() {
    let case = Case::new();
    let open = case.write("open", "pw", 0o644);
    let mut case = case;
    let text = format!("[[users]]\nname='u'\npassword='x'\n[[users]]\nname='v'\npassword_file='{}'", open.display());
    let path = case.write("a.toml", &text, 0o644);
    case.sources.files.push(path);
    let mut warnings = case.warnings();
    warnings.sort();
    assert_eq!(
        warnings,
        [
            "a.toml: it holds a password, and every user of this machine can read it (chmod o-r)",
            "a.toml:6: users[1].password_file: every user of this machine can read open (chmod o-r)",
        ]
    );
    let case = user("password='x'").set("users.0.password=y");
    assert_eq!(
        case.warnings(),
        ["--set: users[0].password: a password on the command line shows in every process list"]
    );
}

#[test]
fn hashes_that_may_not_do_for_a_server_are_warned_of() {
    let sha1 = format!("password_hash = '*{}'", "0A".repeat(20));
    let sha256 = format!("password_hash = 'sha256:{}'", "0b".repeat(32));
    for (hash, plugin) in [(&sha1, "mysql_native_password"), (&sha256, "caching_sha2_password")] {
        let warnings = user(hash).warnings();
        let start = format!("a.toml:3: users[0].password_hash: it logs in only to accounts of {plugin}");
        assert!(matches!(warnings.as_slice(), [only] if only.starts_with(&start)), "{warnings:?}");
        assert!(user(&format!("{hash}\nbackend_password = 'x'")).warnings().is_empty());
    }
}

#[test]
fn a_servers_rsa_key_is_read_from_its_file() {
    let case = Case::new();
    let path = case.write("key.pem", "no key", 0o644);
    let text = format!("[[nodes]]\nname='n'\naddress='h:1'\nrsa_key_file='{}'", path.display());
    let errors = file(&text).errors();
    let place = format!("a.toml:4: nodes[0].rsa_key_file: {} cannot be used: ", path.display());
    assert!(matches!(errors.as_slice(), [only] if only.starts_with(&place)), "{errors:?}");
    std::fs::write(&path, greenroom_protocol::login::rsa::RsaKey::generate().unwrap().public_pem()).unwrap();
    assert!(file(&text).loads().settings.nodes[0].rsa_key.is_some());
    assert!(!file("[[nodes]]\nname='n'\naddress='h:1'").loads().settings.nodes[0].clear_text);
}

#[test]
fn clear_text_for_an_unverified_server_is_warned_of() {
    let warned = |address: &str, more: &str| {
        let node = format!("[[nodes]]\nname='n'\naddress='{address}'\nallow_cleartext_over_tls=true\n{more}");
        let warnings = file(&node).warnings();
        assert!(warnings.len() < 2, "{warnings:?}");
        warnings
            .iter()
            .any(|warning| warning.starts_with("a.toml:4: nodes[0].allow_cleartext_over_tls: tls is neither"))
    };
    assert!(warned("h:1", "") && warned("h:1", "tls='required'"));
    assert!(!warned("h:1", "tls='verify-identity'") && !warned("unix:/s", ""));
}

#[test]
fn a_node_that_no_endpoint_uses_is_warned_of() {
    let spare = "[[nodes]]\nname='a'\naddress='h:1'\n[[nodes]]\nname='b'\naddress='h:2'\n";
    let case = file(&format!("{spare}[[endpoints]]\nname='e'\nlisten='127.0.0.1:1'\nnodes=['a']"));
    assert_eq!(case.warnings(), ["a.toml:5: nodes[1].name: no endpoint uses node \"b\""]);
}

#[test]
fn secrets_are_never_shown() {
    let hash = "B".repeat(40);
    let text = format!(
        "[[users]]\nname='a'\npassword='hunter2'\nbackend_password='hunter2'\n\
         [[users]]\nname='b'\npassword_hash='*{hash}'\n[[users]]\nname='c'\npassword_env='PW'\n"
    );
    let case = file(&text)
        .variable("PW", "hunter2")
        .variable("GREENROOM__USERS__0__PASSWORD", "hunter2")
        .set("log.level=debug");
    let loaded = case.loads();
    let shown = format!("{loaded:?} {loaded:#?} {:?} {}", case.sources, Summary(&loaded));
    for secret in ["hunter2", &hash, &hash.to_lowercase(), "187, 187"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

/// Runs the binary with nothing in its environment but what is given.
fn greenroom(arguments: &[&str], environment: &HashMap<&str, &str>, directory: &Path) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_greenroom"))
        .args(arguments)
        .env_clear()
        .envs(environment)
        .current_dir(directory)
        .output()
        .unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn check_shows_what_is_valid_without_secrets() {
    let case = file(EXAMPLE);
    let (code, out, err) = greenroom(&["check", "--config", "a.toml"], &HashMap::new(), case.directory.path());
    assert_eq!(code, Some(0), "{err}");
    assert!(out.ends_with("configuration is valid\n"), "{out}");
    assert!(out.contains("endpoint \"app\" on 127.0.0.1:6033 to db1, access read_write, pool transaction"), "{out}");
    assert!(out.contains("user \"app\", known by its password"), "{out}");
    assert!(err.contains("warning: a.toml:34: admin.password_env"), "{err}");
    assert!(!out.contains("app-secret") && !err.contains("app-secret"));
}

#[test]
fn check_prints_every_key_with_its_source_where_that_is_asked_for() {
    let case = file(EXAMPLE);
    let environment = HashMap::from([("GREENROOM__SERVER__WORKERS", "3")]);
    let (code, out, err) = greenroom(&["check", "--print", "--config", "a.toml"], &environment, case.directory.path());
    assert_eq!(code, Some(0), "{err}");
    for line in [
        "server.workers = \"3\"  # environment GREENROOM__SERVER__WORKERS\n",
        "nodes[0].name = \"db1\"  # a.toml:6\n",
        "endpoints[0].fallback_to_primary = false  # built-in default.toml\n",
        "users[0].password = (hidden)  # a.toml:",
    ] {
        assert!(out.contains(line), "{line} in {out}");
    }
    assert!(!out.contains("app-secret"));
}

#[test]
fn explain_says_what_pins_by_its_exit_code_too() {
    let explain = |arguments: &[&str]| greenroom(&[&["explain"], arguments].concat(), &HashMap::new(), Path::new("/"));
    let (code, out, _) = explain(&["SELECT 1"]);
    assert_eq!((code, out.as_str()), (Some(0), "SELECT 1\n  does not pin\n"));
    let (code, out, _) = explain(&["SELECT 1", "LOCK TABLES t READ"]);
    assert!(
        code == Some(2) && out.contains("pins: table_lock\n    how long: until UNLOCK TABLES\n    instead: "),
        "{out}"
    );
}

#[test]
fn wrong_configuration_and_arguments_end_with_64() {
    let case = file("server.max_clients = 0");
    let run = |arguments: &[&str]| greenroom(arguments, &HashMap::new(), case.directory.path());
    for command in [&["check", "--config", "a.toml"][..], &["--config", "a.toml"]] {
        let (code, out, err) = run(command);
        assert_eq!((code, out.as_str()), (Some(64), ""));
        let error = "error: a.toml:1: server.max_clients: 0 is too small; expected more than 0\n";
        assert_eq!(err, format!("{error}1 error in the configuration\n"));
    }
    assert_eq!(run(&["--no-such-option"]).0, Some(64));
    assert_eq!(run(&["-V"]), (Some(0), format!("greenroom {}\n", env!("CARGO_PKG_VERSION")), String::new()));
    assert_eq!(run(&["man", "dance"]).0, Some(64));
    assert_eq!(run(&["--help"]).0, Some(0));
}

#[test]
fn the_environment_of_the_process_is_a_layer() {
    let environment = HashMap::from([("GREENROOM__NODES__0__ADDRESS", "db.example:3307")]);
    let (code, out, err) = greenroom(&["check"], &environment, Path::new("/"));
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("node \"db1\" at db.example:3307"), "{out}");
}

#[test]
fn a_fleet_is_there_where_it_has_a_place_to_meet() {
    assert!(Case::new().loads().settings.fleet.is_none());
    let case = with_servers("[fleet]\netcd = ['http://one:2379', 'http://[::1]:2380/']\nname = 'web'\nttl = '20s'")
        .variable("GREENROOM__FLEET__USER", "greenroom")
        .variable("GREENROOM__FLEET__PASSWORD", "secret");
    let loaded = case.loads();
    assert_eq!(case.warnings(), Vec::<String>::new());
    let line = "fleet \"web\" by etcd at one:2379, [::1]:2380, user \"greenroom\", ttl 20s, expected_members 8\n";
    assert!(Summary(&loaded).to_string().contains(line), "{}", Summary(&loaded));
    let several = Case::new().variable("GREENROOM__FLEET__ETCD", "http://one:2379,http://two:2379");
    assert_eq!(several.loads().settings.fleet.unwrap().etcd.len(), 2);
    assert_eq!(
        with_servers("[fleet]\nuser = 'greenroom'").warnings(),
        ["a.toml:2: fleet.user: it is not used, since fleet.etcd is empty"]
    );
}
