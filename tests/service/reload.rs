//! SIGHUP: what changes, and for whom.

use std::{
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use greenroom::demo::server::{Server, free_port};

use crate::support::{
    observe::{Root, deserted, until},
    proxy::{ADMIN_PASSWORD, ADMIN_USER, Proxy, Setup},
    servers::{Tenant, each_server, mariadb},
    wire::{Login, Wire},
};

fn proxy(server: &Server, tenant: &Tenant) -> Proxy {
    let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password);
    setup.first_node(server.address(), &["max_connections = 1"]).endpoint("lease_timeout = \"1500ms\"").start()
}

/// Reloads, and waits until the log says for the nth time how it went.
fn reload(proxy: &Proxy, says: &str, change: impl FnOnce(String) -> String) {
    let before = proxy.log().matches(says).count();
    proxy.rewrite(change);
    proxy.hup();
    until(says, || proxy.log().matches(says).count() > before);
}

#[test]
fn a_reload_lets_new_users_in_and_old_ones_out() {
    each_server(|server| {
        let (tenant, other) = (Tenant::new(server, "user"), Tenant::new(server, "newcomer"));
        let proxy = proxy(server, &tenant);
        let mut old = tenant.connect(proxy.address());
        assert!(Wire::connect(proxy.address(), &other.login()).is_err());
        reload(&proxy, "configuration reloaded", |text| {
            let (name, password) = (&other.name, &other.password);
            text.replace(&tenant.name, name).replace(&tenant.password, password)
        });
        assert_eq!(other.connect(proxy.address()).scalar("SELECT 1").as_deref(), Some("1"));
        assert!(Wire::connect(proxy.address(), &tenant.login()).is_err(), "not known any more");
        assert_eq!(old.scalar("SELECT 1").as_deref(), Some("1"), "who is in stays in");
    });
}

#[test]
fn a_node_that_is_taken_out_alerts_nobody() {
    each_server(|server| {
        let tenant = Tenant::new(server, "removed");
        let (_kept, gone) = deserted();
        let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password);
        let proxy = setup.node("db2", gone, &["role = \"replica\"", "max_lag = \"1m\""]).start();
        let shown = |metric: &str| proxy.metrics().get(&format!("greenroom_node_{metric}"));
        until("it is down", || shown("up{node=\"db2\"}") == Some(0.0));
        until("its role is known", || shown("role{node=\"db2\",role=\"replica\"}") == Some(1.0));
        let mut with = String::new();
        reload(&proxy, "configuration reloaded", |text| {
            let (head, rest) = text.split_once("[[nodes]]\nname = \"db2\"").unwrap();
            let without = format!("{head}{}", &rest[rest.find("[[endpoints]]").unwrap()..]).replace(", \"db2\"", "");
            with = text;
            without
        });
        // Also once the monitor has looked again.
        for _ in 0..2 {
            until("nothing is said of it", || {
                ["up", "lag_seconds"].iter().all(|it| shown(&format!("{it}{{node=\"db2\"}}")).is_none_or(f64::is_nan))
            });
            assert_eq!(proxy.metrics().sum("greenroom_node_role", &["node=\"db2\""]), 0.0);
            std::thread::sleep(std::time::Duration::from_millis(700));
        }
        assert_eq!(shown("up{node=\"db1\"}"), Some(1.0));
        until("nothing is waited for any more", || proxy.get("/readyz").0 == 200);
        reload(&proxy, "configuration reloaded", |_| with);
        until("it is there again, and down", || shown("up{node=\"db2\"}") == Some(0.0));
        assert_eq!(proxy.get("/readyz").0, 503);
        until("it has its role", || shown("role{node=\"db2\",role=\"replica\"}") == Some(1.0));
    });
}

#[test]
fn a_reload_changes_the_limit() {
    each_server(|server| {
        let tenant = Tenant::new(server, "limit");
        let mut root = Root::on(server);
        let proxy = proxy(server, &tenant);
        let mut wires = [(); 3].map(|()| tenant.connect(proxy.address()));
        wires[0].ok("START TRANSACTION");
        assert_eq!(wires[1].err("START TRANSACTION").code, 1040);
        reload(&proxy, "configuration reloaded", |text| text.replace("max_connections = 1\n", "max_connections = 2\n"));
        wires[1].ok("START TRANSACTION");
        assert_eq!(wires[2].err("START TRANSACTION").code, 1040);
        assert_eq!(root.connections(&tenant.name).len(), 2);
        reload(&proxy, "configuration reloaded", |text| text.replace("max_connections = 2\n", "max_connections = 1\n"));
        wires[0].ok("COMMIT");
        wires[1].ok("COMMIT");
        // One too many now: it goes with the first wish, not with the next idle_timeout.
        wires[0].ok("START TRANSACTION");
        root.wait_for(&tenant.name, 1);
    });
}

#[test]
fn a_reload_opens_and_closes_endpoints_and_changes_the_mode_of_new_sessions() {
    each_server(|server| {
        let tenant = Tenant::new(server, "endpoint");
        let mut root = Root::on(server);
        let proxy = proxy(server, &tenant);
        let mut old = tenant.connect(proxy.address());
        old.scalar("SELECT 1");
        let more = format!("127.0.0.1:{}", free_port().unwrap());
        let table = format!("\n[[endpoints]]\nname = \"more\"\nlisten = \"{more}\"\nnodes = [\"db1\"]\n");
        reload(&proxy, "configuration reloaded", |text| {
            text.replace("max_connections = 1\n", "max_connections = 5\n") + &table
        });
        let more = more.parse().unwrap();
        let mut there = tenant.connect(more);
        assert_eq!(there.scalar("SELECT 1").as_deref(), Some("1"));
        reload(&proxy, "configuration reloaded", |text| {
            text.replace(&table, "").replace("lease_timeout = \"1500ms\"", "pool = \"none\"")
        });
        until("nobody listens", || std::net::TcpStream::connect(more).is_err());
        assert_eq!(there.scalar("SELECT 2").as_deref(), Some("2"), "who is in stays in");
        let before = root.connections(&tenant.name);
        let mut new = tenant.connect(proxy.address());
        let own = root.backend_of(&mut new);
        assert!(!before.contains(&own), "a connection of its own");
        // Sessions of before still share, and leave the new one's connection alone.
        let shared = root.backend_of(&mut old);
        assert_ne!(shared, own);
        new.quit().unwrap();
        until("closed with its session", || !root.connections(&tenant.name).contains(&own));
    });
}

#[test]
fn a_reload_to_an_address_that_is_taken_changes_nothing() {
    each_server(|server| {
        let tenant = Tenant::new(server, "taken");
        let proxy = proxy(server, &tenant);
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let (old, new) = (proxy.address().to_string(), taken.local_addr().unwrap().to_string());
        let console = proxy.admin().to_string();
        let [mut moved, mut console_moved] = [String::new(), String::new()];
        for (from, to, whose, moved) in
            [(&old, &new, "endpoint 'app'", &mut moved), (&console, &new, "the console", &mut console_moved)]
        {
            let says =
                format!("the configuration was not reloaded: {whose} cannot listen on {new}: Address already in use");
            let mut before = String::new();
            reload(&proxy, &says, |text| {
                before.clone_from(&text);
                // Neither is anything else of it in force.
                moved.clone_from(&text.replace(from, to).replace(&tenant.password, "another"));
                moved.clone()
            });
            assert_eq!(tenant.connect(proxy.address()).scalar("SELECT 1").as_deref(), Some("1"));
            let mut admin =
                Wire::connect(proxy.admin(), &Login::new(ADMIN_USER, ADMIN_PASSWORD).no_database()).unwrap();
            let error = admin.err("RELOAD");
            assert!(error.message.starts_with("nothing was changed") && error.message.contains(&new), "{error}");
            assert_eq!(admin.scalar("SELECT listen FROM endpoints").as_deref(), Some(old.as_str()));
            assert!(!proxy.log().contains("no longer listen"), "{}", proxy.log());
            proxy.rewrite(|_| before);
        }
        // Once it is free it can be had.
        drop(taken);
        let password = moved.replace("another", &tenant.password);
        reload(&proxy, "configuration reloaded", |_| password);
        assert_eq!(tenant.connect(new.parse().unwrap()).scalar("SELECT 1").as_deref(), Some("1"));
        until("nobody is at the old one", || TcpStream::connect(proxy.address()).is_err());
    });
}

#[test]
fn an_address_may_grow_and_shrink_at_its_port() {
    let tenant = Tenant::new(mariadb(), "wider");
    let proxy = proxy(mariadb(), &tenant);
    let [endpoint, console] = [proxy.address(), proxy.admin()].map(|it| it.to_string());
    let wide = |address: &str| address.replace("127.0.0.1", "0.0.0.0");
    let looks = || {
        assert_eq!(tenant.connect(proxy.address()).scalar("SELECT 1").as_deref(), Some("1"));
        let login = Login::new(ADMIN_USER, ADMIN_PASSWORD).no_database();
        Wire::connect(proxy.admin(), &login).unwrap().scalar("SELECT listen FROM endpoints").unwrap()
    };
    reload(&proxy, "configuration reloaded", |text| {
        text.replace(&endpoint, &wide(&endpoint)).replace(&console, &wide(&console))
    });
    assert_eq!(looks(), wide(&endpoint));
    reload(&proxy, "configuration reloaded", |text| {
        text.replace(&wide(&endpoint), &endpoint).replace(&wide(&console), &console)
    });
    assert_eq!(looks(), endpoint);
}

#[test]
fn a_refused_reload_leaves_no_socket_behind() {
    let tenant = Tenant::new(mariadb(), "traceless");
    let proxy = proxy(mariadb(), &tenant);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let new = |name: &str, listen: &str| format!("\n[[endpoints]]\nname = \"{name}\"\nlisten = \"{listen}\"\n");
    let tables =
        new("local", &format!("unix:{}", path.display())) + &new("other", &taken.local_addr().unwrap().to_string());
    reload(&proxy, "the configuration was not reloaded: endpoint 'other' cannot listen on", |text| text + &tables);
    assert!(!path.exists());
    assert_eq!(tenant.connect(proxy.address()).scalar("SELECT 1").as_deref(), Some("1"));
}

#[test]
fn an_address_goes_to_another_endpoint_and_nobody_is_refused() {
    each_server(|server| {
        let tenant = Tenant::new(server, "renamed");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let more = format!("\n[[endpoints]]\nname = \"local\"\nlisten = \"unix:{}\"\n", path.display());
        let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password).extra(&more);
        let proxy = setup.start();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let coming = scope.spawn(|| {
                let mut clients = 0;
                while !done.load(Ordering::Relaxed) {
                    for mut wire in
                        [tenant.connect(proxy.address()), Wire::connect_unix(&path, &tenant.login()).unwrap()]
                    {
                        assert_eq!(wire.scalar("SELECT 1").as_deref(), Some("1"));
                    }
                    clients += 2;
                }
                clients
            });
            for names in [[("app", "one"), ("local", "two")], [("one", "two"), ("two", "one")]] {
                reload(&proxy, "configuration reloaded", |text| {
                    let marked = names.iter().fold(text, |text, (old, new)| {
                        text.replace(&format!("name = \"{old}\"\nlisten"), &format!("name = \"new {new}\"\nlisten"))
                    });
                    marked.replace("\"new ", "\"")
                });
            }
            done.store(true, Ordering::Relaxed);
            assert!(coming.join().unwrap() > 0);
        });
        let (_, status) = proxy.get("/api/v1/status");
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        let names = [0, 1].map(|at| status["endpoints"][at]["name"].clone());
        assert_eq!(names, ["two", "one"]);
    });
}

#[test]
fn a_reload_moves_to_another_server() {
    each_server(|server| {
        let tenant = Tenant::new(server, "moved");
        let nowhere = format!("127.0.0.1:{}", free_port().unwrap());
        let here = server.address().to_string();
        let proxy = proxy(server, &tenant);
        let bare = Login::new(&tenant.name, &tenant.password);
        let mut old = Wire::connect(proxy.address(), &bare).unwrap();
        until("ready", || proxy.get("/readyz").0 == 200);
        reload(&proxy, "configuration reloaded", |text| text.replace(&here, &nowhere));
        assert!(Wire::connect(proxy.address(), &bare).is_err(), "there is nobody");
        assert_eq!(old.scalar("SELECT 1").as_deref(), Some("1"), "who is in stays where he is");
        until("not ready", || proxy.get("/readyz").0 == 503);
        reload(&proxy, "configuration reloaded", |text| text.replace(&nowhere, &here));
        until("ready", || proxy.get("/readyz").0 == 200);
        assert!(Wire::connect(proxy.address(), &bare).is_ok());
    });
}

#[test]
fn a_broken_file_changes_nothing_and_the_log_says_where() {
    each_server(|server| {
        let tenant = Tenant::new(server, "broken");
        let proxy = proxy(server, &tenant);
        let mut old = tenant.connect(proxy.address());
        for broken in ["max_connection = 5\n", "max_connections = \"five\"\n", "max_connections = = 5\n"] {
            reload(&proxy, "the configuration was not reloaded", |text| text.replace("max_connections = 1\n", broken));
            assert_eq!(old.scalar("SELECT 1").as_deref(), Some("1"));
            assert_eq!(tenant.connect(proxy.address()).scalar("SELECT 1").as_deref(), Some("1"));
            reload(&proxy, "configuration reloaded", |text| text.replace(broken, "max_connections = 1\n"));
        }
        let log = proxy.log();
        assert!(changes(&proxy).is_empty(), "{:?}", changes(&proxy));
        let lines: Vec<&str> = log.lines().filter(|line| line.contains("was not reloaded")).collect();
        assert!(lines.iter().all(|line| line.contains("greenroom.toml:")), "{lines:?}");
    });
}

/// The log's lines about what a reload changes, without the time.
fn changes(proxy: &Proxy) -> Vec<String> {
    let log = proxy.log();
    log.lines().filter_map(|line| line.split_once("reload: ").map(|(_, change)| change.to_owned())).collect()
}

#[test]
fn a_reload_says_what_it_changes_and_when_that_takes_effect() {
    each_server(|server| {
        let (tenant, other) = (Tenant::new(server, "told"), Tenant::new(server, "newcomer"));
        let proxy = proxy(server, &tenant);
        reload(&proxy, "configuration reloaded", |text| text);
        assert!(changes(&proxy).is_empty(), "nothing has changed: {:?}", changes(&proxy));
        reload(&proxy, "configuration reloaded", |text| {
            let user = format!("\n[[users]]\nname = \"{}\"\npassword = \"{}\"\n", other.name, other.password);
            text.replace("workers = 2", "workers = 3\nmax_clients = 500")
                .replace("max_connections = 1\n", "max_connections = 4\nconnect_timeout = \"3s\"\n")
                .replace("lease_timeout = \"1500ms\"", "lease_timeout = \"1500 ms\"\nidle_timeout = \"1m\"")
                .replace(&tenant.password, "something-else")
                + &user
                + "\n[log]\nlevel = \"debug\"\n"
        });
        let mut expected = vec![
            "server.workers: 2 -> 3 (after a restart)".to_owned(),
            "server.max_clients: 100000 -> 500 (now)".to_owned(),
            "nodes[db1].max_connections: 1 -> 4 (now)".to_owned(),
            "nodes[db1].connect_timeout: 5s -> 3s (for new connections)".to_owned(),
            "endpoints[app].idle_timeout: 10s -> 1m (for new sessions)".to_owned(),
            format!("users[{}].password: (hidden) -> (hidden) (for new sessions)", tenant.name),
            format!("users[{}] added (for new sessions)", other.name),
            "log.level: info -> debug (now)".to_owned(),
        ];
        let mut told = changes(&proxy);
        told.sort();
        expected.sort();
        assert_eq!(told, expected);
        let log = proxy.log();
        assert!(!log.contains(&tenant.password) && !log.contains("something-else"), "no password in the log");
        let restarts = log.lines().filter(|line| line.contains("(after a restart)"));
        assert!(restarts.into_iter().all(|line| line.contains("WARN")), "{log}");
        // What needs a restart is said again as long as it is so, and only that.
        reload(&proxy, "configuration reloaded", |text| text);
        let told = changes(&proxy).split_off(expected.len());
        assert_eq!(told, ["server.workers: 2 -> 3 (after a restart)"]);
        reload(&proxy, "configuration reloaded", |text| {
            text.replace("workers = 3", "workers = 2").replace("level = \"debug\"", "level = \"info\"")
        });
        // The one that was said again, and the level that is as it was.
        assert_eq!(changes(&proxy).len(), expected.len() + 2, "{:?}", changes(&proxy));
    });
}

#[test]
fn a_file_whose_contents_have_changed_is_named() {
    each_server(|server| {
        let tenant = Tenant::new(server, "file");
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secret");
        std::fs::write(&file, &tenant.password).unwrap();
        let user = format!("[[users]]\nname = \"{}\"\npassword_file = \"{}\"\n", tenant.name, file.display());
        let proxy = Setup::new(server.address()).extra(&user).start();
        tenant.connect(proxy.address());
        std::fs::write(&file, "another").unwrap();
        reload(&proxy, "configuration reloaded", |text| text);
        let told = format!(
            "users[{}].password_file: the contents of {} have changed (for new sessions)",
            tenant.name,
            file.display()
        );
        assert_eq!(changes(&proxy), [told]);
        assert!(Wire::connect(proxy.address(), &tenant.login()).is_err());
    });
}
