//! What administrators see and do, on both servers.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    net::TcpStream,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    cell, console,
    support::{
        observe::{Root, until, within},
        proxy::{ADMIN_PASSWORD, ADMIN_USER, Setup},
        servers::{Tenant, each_server, mariadb},
        wire::{Login, Reply, Wire},
    },
};

#[test]
fn sessions_and_connections_are_seen() {
    each_server(|server| {
        let tenant = Tenant::new(server, "seen");
        let proxy = Setup::new(server.address()).user(&tenant.name, &tenant.password).start();
        let mut session = tenant.connect(proxy.address());
        session.ok("BEGIN");
        let thread = Root::on(server).backend_of(&mut session);
        let mut admin = console(&proxy);
        let mine = format!("SHOW CLIENTS WHERE user = '{}'", tenant.name);
        until("it is inside its transaction", || {
            cell(&admin.result(&mine), "state").as_deref() == Some("in transaction")
        });
        let client = admin.result(&mine);
        let id = session.scalar("SELECT CONNECTION_ID()");
        assert_eq!(cell(&client, "id"), id);
        assert_eq!(cell(&client, "database").as_deref(), Some(tenant.name.as_str()));
        assert_eq!(cell(&client, "node").as_deref(), Some("db1"));
        assert_eq!(cell(&client, "server_id"), Some(thread.to_string()));
        let backend = admin.result(&format!("SELECT * FROM backends WHERE server_id = {thread}"));
        assert_eq!(cell(&backend, "client"), id);
        assert_eq!(cell(&backend, "state").as_deref(), Some("leased"));
        let pool = admin.result(&format!("SHOW POOLS WHERE user LIKE '{}'", tenant.name));
        let counts = ["mode", "idle", "leased", "waiting"].map(|column| cell(&pool, column).unwrap());
        assert_eq!(counts, ["transaction", "0", "1", "0"]);
        session.ok("COMMIT");
        until("its connection is idle", || {
            let pool = admin.result(&format!("SHOW POOLS WHERE user LIKE '{}'", tenant.name));
            cell(&pool, "idle").as_deref() == Some("1")
        });
        assert_eq!(cell(&admin.result(&mine), "state").as_deref(), Some("idle"));
        let node = admin.result("SHOW NODES");
        assert!(cell(&node, "version").unwrap().ends_with(server.version()));
        assert_eq!(["health", "traffic", "role"].map(|column| cell(&node, column).unwrap()), ["up", "open", "primary"]);
        let user = admin.result(&format!("SHOW USERS LIKE '{}'", tenant.name));
        assert_eq!(
            ["source", "known_by", "clients"].map(|column| cell(&user, column).unwrap()),
            ["configured", "password", "1"]
        );
        let endpoint = admin.result("SHOW ENDPOINTS");
        assert_eq!(["clients", "traffic"].map(|column| cell(&endpoint, column).unwrap()), ["1", "open"]);
    });
}

#[test]
fn pins_are_in_the_ledger_with_their_statements_but_not_their_literals() {
    each_server(|server| {
        let tenant = Tenant::new(server, "ledger");
        let proxy = Setup::new(server.address()).user(&tenant.name, &tenant.password).start();
        let mut admin = console(&proxy);
        let mut session = tenant.connect(proxy.address());
        session.ok("CREATE TEMPORARY TABLE secrets (a VARCHAR(20) DEFAULT 'hush-hush') /* mine */");
        session.ok("DO GET_LOCK('hush-hush', 4711)");
        let statement = session.prepare("SELECT GET_LOCK(CONCAT('hush-hush', ?), 0)").unwrap();
        until("both are there", || admin.rows("SHOW PINS").len() == 2);
        let pins = admin.result(&format!(
            "SELECT reason, statement, until, remedy FROM pins WHERE user = '{}' ORDER BY reason",
            tenant.name
        ));
        let shown: Vec<_> = pins.rows.iter().map(|row| (row[0].clone().unwrap(), row[1].clone().unwrap())).collect();
        assert_eq!(
            shown,
            [
                ("temporary_table", "CREATE TEMPORARY TABLE secrets (a VARCHAR(?) DEFAULT ?)"),
                ("user_lock", "DO GET_LOCK(?, ?)"),
            ]
            .map(|(reason, statement)| (reason.to_owned(), statement.to_owned()))
        );
        assert!(pins.rows.iter().all(|row| row[2].is_some() && row[3].is_some()));
        assert_eq!(cell(&admin.result("SHOW CLIENTS"), "pins").as_deref(), Some("temporary_table,user_lock"));
        session.ok("DROP TEMPORARY TABLE secrets");
        session.ok("DO RELEASE_LOCK('hush-hush')");
        // The server is asked for its locks after it has answered.
        until("nothing is pinned", || admin.rows("SHOW PINS").is_empty());
        session.execute(&statement, &[crate::support::wire::Param::Text("2")]).unwrap();
        until("it is there", || admin.rows("SHOW PINS").len() == 1);
        assert_eq!(cell(&admin.result("SHOW PINS"), "statement").as_deref(), Some("SELECT GET_LOCK(CONCAT(?, ?), ?)"));
        // A failed statement's warnings keep their session, by a text that came with a literal.
        let mut other = tenant.connect(proxy.address());
        other.err("SELECT * FROM nowhere WHERE a = 'hush-hush'");
        until("it is there", || admin.rows("SHOW PINS").len() == 2);
        let pin = admin.result("SHOW PINS WHERE reason = 'diagnostics'");
        assert_eq!(cell(&pin, "statement").as_deref(), Some("SELECT * FROM nowhere WHERE a = ?"));
    });
}

#[test]
fn sessions_and_statements_are_killed() {
    each_server(|server| {
        let tenant = Tenant::new(server, "killed");
        // With all its connections busy, too.
        let setup = Setup::new(server.address()).first_node(server.address(), &["max_connections = 1"]);
        let proxy = setup.user(&tenant.name, &tenant.password).start();
        let mut admin = console(&proxy);
        let mut session = tenant.connect(proxy.address());
        let id = session.scalar("SELECT CONNECTION_ID()").unwrap();
        thread::scope(|scope| {
            let sleeping = scope.spawn(|| session.query("SELECT SLEEP(100)"));
            until("it sleeps", || cell(&admin.result("SHOW CLIENTS"), "state").as_deref() == Some("active"));
            admin.ok(&format!("KILL QUERY {id}"));
            assert!(sleeping.join().unwrap().is_ok(), "the session lives on");
        });
        assert_eq!(session.scalar("SELECT 1").as_deref(), Some("1"));
        assert!(admin.ok(&format!("KILL QUERY {id}")).info.ends_with("it runs no statement"));
        admin.ok(&format!("KILL {id}"));
        assert!(session.query("SELECT 1").is_err());
        for sql in [format!("KILL {id}"), "KILL 7".to_owned()] {
            until("it is gone", || matches!(admin.one(&sql), Reply::Err(error) if error.code == 1094));
        }
    });
}

#[test]
fn settings_change_until_the_next_reload() {
    let server = mariadb();
    let proxy = Setup::new(server.address()).first_node(server.address(), &["max_connections = 1"]).start();
    let mut admin = console(&proxy);
    let now =
        |admin: &mut Wire, name: &str| cell(&admin.result(&format!("SHOW VARIABLES LIKE '{name}'")), "Value").unwrap();
    assert!(admin.ok("SET app.lease_timeout = '200ms'").info.contains("until the next RELOAD"));
    assert_eq!(now(&mut admin, "app.lease_timeout"), "200ms");
    let login = Login::new(greenroom::demo::server::APP.user, greenroom::demo::server::APP.password);
    let [mut one, mut other] = [(); 2].map(|()| Wire::connect(proxy.address(), &login).unwrap());
    one.ok("BEGIN");
    assert_eq!(one.scalar("SELECT 1").as_deref(), Some("1"));
    assert_eq!(other.err("SELECT 1").code, 1040);
    admin.ok("SET db1.max_connections = 2");
    assert_eq!(other.scalar("SELECT 1").as_deref(), Some("1"));
    admin.ok("SET log_level = debug");
    assert!(!proxy.log().contains("client session ended"));
    drop(other);
    until("it is logged", || proxy.log().contains("client session ended"));
    assert!(admin.ok("RELOAD").info.contains("reloaded"));
    until("it is as it was", || now(&mut admin, "db1.max_connections") == "1");
    assert_eq!([now(&mut admin, "app.lease_timeout"), now(&mut admin, "log_level")], ["10000ms", "info"]);
    for (sql, part) in [
        ("SET lease_timeout = 'soon'", "no value for lease_timeout"),
        ("SET lease_timeout = 0", "more than 0s"),
        ("SET apq.lease_timeout = 1", "no endpoint 'apq'"),
        ("SET db1.max_clients = 1", "none of 'db1'"),
        ("SET log_level = loud", "one of critical"),
        ("SET max_client = 1", "did you mean max_clients?"),
    ] {
        let error = admin.err(sql);
        assert!(error.message.contains(part), "{sql}: {error}");
    }
    proxy.rewrite(|text| text + "\nnonsense = 1\n");
    let error = admin.err("RELOAD");
    assert!(error.message.contains("nothing was changed") && error.message.contains("nonsense"), "{error}");
}

#[test]
fn every_setting_changes_and_is_as_it_was_after_a_reload() {
    let proxy = Setup::new(mariadb().address()).start();
    let mut admin = console(&proxy);
    let all = |admin: &mut Wire| -> BTreeMap<String, String> {
        let rows = admin.rows("SHOW VARIABLES").into_iter();
        rows.map(|row| (row[0].clone().unwrap(), row[1].clone().unwrap_or_default())).collect()
    };
    let before = all(&mut admin);
    let changes = [
        ("drain_timeout", "7s"),
        ("app.idle_timeout", "7s"),
        ("app.lease_timeout", "7s"),
        ("log_level", "debug"),
        ("login_failure_delay", "7ms"),
        ("login_timeout", "7s"),
        ("max_clients", "77"),
        ("db1.max_connections", "7"),
        ("pause_limit", "7s"),
        ("query_shapes", "77"),
        ("query_statistics", "on"),
        ("slow_query_rate", "7"),
        ("slow_query_time", "7s"),
    ];
    // The page has no other.
    let page = include_str!("../../docs/console.md");
    let (_, settings) = page.split_once("**`SET`.**").unwrap();
    for name in settings
        .split("\n\n")
        .next()
        .unwrap()
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|it| it.contains('_') && !it.contains(' '))
    {
        assert!(changes.iter().any(|(known, _)| known.rsplit('.').next() == Some(name)), "{name}");
    }
    for (name, value) in changes {
        admin.ok(&format!("SET {name} = '{value}'"));
        let now = all(&mut admin);
        assert!(before.contains_key(name) && now[name] != before[name], "{name}: {} {}", before[name], now[name]);
    }
    assert!(admin.ok("RELOAD").info.contains("reloaded"));
    until("all are as they were", || all(&mut admin) == before);
}

#[test]
fn the_administrator_is_known_by_a_hash_too_and_wrong_passwords_wait() {
    // Of the password "another", as servers keep it.
    let native = "*CB3326D5279DE7915FE5D743232165EE887883CA";
    let sha2 = "sha256:b4463dc4129b8e63b51ef9d543900ce2cce758ccc74da7d8b441fd00aa2a8937";
    let proxy = Setup::new(mariadb().address()).server("login_failure_delay = \"300ms\"").start();
    let config = fs::read_to_string(proxy.config()).unwrap();
    for hash in [native, sha2] {
        let known_by = format!("password_hash = \"{hash}\"");
        proxy.rewrite(|_| config.replace("password_env = \"GREENROOM_ADMIN_PASSWORD\"", &known_by));
        let before = proxy.log().matches("configuration reloaded").count();
        proxy.hup();
        until("it is read", || proxy.log().matches("configuration reloaded").count() > before);
        let of = |password: &str| Wire::connect(proxy.admin(), &Login::new(ADMIN_USER, password).no_database());
        assert_eq!(of("another").unwrap().scalar("SELECT name FROM nodes").as_deref(), Some("db1"), "{hash}");
        assert!(of(ADMIN_PASSWORD).is_err(), "{hash}");
    }
    // The delay grows with each wrong one, up to its limit: these cannot all be quick.
    let begun = Instant::now();
    for _ in 0..6 {
        assert!(Wire::connect(proxy.admin(), &Login::new(ADMIN_USER, "wrong").no_database()).is_err());
    }
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
}

#[test]
fn the_configuration_is_shown_with_its_sources_and_without_secrets() {
    let proxy = Setup::new(mariadb().address()).environment("GREENROOM__SERVER__DRAIN_TIMEOUT", "7s").start();
    let mut admin = console(&proxy);
    let of = |admin: &mut Wire, key: &str| {
        let found = admin.result(&format!("SHOW CONFIG LIKE '{key}'"));
        (cell(&found, "value").unwrap(), cell(&found, "source").unwrap())
    };
    assert_eq!(
        of(&mut admin, "server.drain_timeout"),
        ("\"7s\"".into(), "environment GREENROOM__SERVER__DRAIN_TIMEOUT".into())
    );
    let (value, source) = of(&mut admin, "server.workers");
    assert!(value == "2" && source.contains("greenroom.toml:"), "{value} {source}");
    let (value, source) = of(&mut admin, "endpoints[0].pool");
    assert!(value == "\"transaction\"" && source.contains("built-in"), "{value} {source}");
    assert_eq!(of(&mut admin, "users[0].password").0, "(hidden)");
    let all = format!("{:?}{:?}", admin.rows("SHOW CONFIG"), admin.rows("SHOW VARIABLES"));
    for secret in [ADMIN_PASSWORD, greenroom::demo::server::APP.password] {
        assert!(!all.contains(secret), "a secret is shown");
    }
}

#[test]
fn many_look_while_others_work() {
    each_server(|server| {
        let tenant = Tenant::new(server, "busy");
        let proxy = Setup::new(server.address()).user(&tenant.name, &tenant.password).start();
        let (done, turns) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut session = tenant.connect(proxy.address());
                    while !done.load(Ordering::Relaxed) {
                        session.ok("BEGIN");
                        assert_eq!(session.scalar("SELECT 1").as_deref(), Some("1"));
                        session.ok("COMMIT");
                        turns.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let looking: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut admin = console(&proxy);
                        for _ in 0..10 {
                            for table in [
                                "POOLS",
                                "CLIENTS",
                                "BACKENDS",
                                "NODES",
                                "ENDPOINTS",
                                "USERS",
                                "PINS",
                                "STATS",
                                "CONFIG",
                                "VERSION",
                            ] {
                                admin.rows(&format!("SHOW {table}"));
                            }
                        }
                    })
                })
                .collect();
            looking.into_iter().for_each(|it| it.join().unwrap());
            let before = turns.load(Ordering::Relaxed);
            until("they still work", || turns.load(Ordering::Relaxed) > before);
            done.store(true, Ordering::Relaxed);
        });
    });
}

#[test]
fn only_the_administrator_is_let_in_and_not_too_many() {
    let proxy = Setup::new(mariadb().address()).start();
    let app = greenroom::demo::server::APP;
    for (user, password) in
        [(ADMIN_USER, "wrong"), (ADMIN_USER, ""), (app.user, app.password), ("nobody", ADMIN_PASSWORD)]
    {
        let refused = Wire::connect(proxy.admin(), &Login::new(user, password).no_database());
        assert!(format!("{:?}", refused.unwrap_err()).contains("1045"), "{user}");
    }
    // The administrator is nobody on an endpoint.
    assert!(Wire::connect(proxy.address(), &Login::new(ADMIN_USER, ADMIN_PASSWORD).no_database()).is_err());
    let all: Vec<_> = (0..64).map(|_| console(&proxy)).collect();
    let refused = Wire::connect(proxy.admin(), &Login::new(ADMIN_USER, ADMIN_PASSWORD).no_database());
    assert!(format!("{:?}", refused.unwrap_err()).contains("1040"));
    drop(all);
    until("there is room again", || {
        Wire::connect(proxy.admin(), &Login::new(ADMIN_USER, ADMIN_PASSWORD).no_database()).is_ok()
    });
}

#[test]
fn who_connects_and_never_logs_in_keeps_nobody_out_for_long() {
    let proxy = Setup::new(mariadb().address()).server("login_timeout = \"2s\"").start();
    let mut lasting = console(&proxy);
    let begun = Instant::now();
    // One more than there is room for is told so.
    let silent: Vec<_> = (0..64).map(|_| TcpStream::connect(proxy.admin()).unwrap()).collect();
    let login = Login::new(ADMIN_USER, ADMIN_PASSWORD).no_database();
    let refused = Wire::connect(proxy.admin(), &login);
    assert!(format!("{:?}", refused.unwrap_err()).contains("1040"));
    within(Duration::from_secs(5), "there is room again", || Wire::connect(proxy.admin(), &login).is_ok());
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    for mut socket in silent {
        // A greeting or a refusal, and the end.
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        assert!(socket.read_to_end(&mut Vec::new()).unwrap() > 0);
    }
    lasting.ok("RELOAD");
}

#[test]
fn reloads_change_the_console_and_it_stops_the_service() {
    let mut proxy = Setup::new(mariadb().address()).start();
    let mut before = console(&proxy);
    let config = fs::read_to_string(proxy.config()).unwrap();
    proxy.rewrite(|text| text.replace("password_env = \"GREENROOM_ADMIN_PASSWORD\"", "password = \"another\""));
    before.ok("RELOAD");
    let another = Login::new(ADMIN_USER, "another").no_database();
    until("the other password is good", || Wire::connect(proxy.admin(), &another).is_ok());
    assert!(Wire::connect(proxy.admin(), &Login::new(ADMIN_USER, ADMIN_PASSWORD).no_database()).is_err());
    // Who is logged in stays.
    assert_eq!(before.rows("SHOW NODES").len(), 1);
    let listen = format!("[admin]\nlisten = \"{}\"", proxy.admin());
    proxy.rewrite(|_| config.replace(&listen, "[admin]\nlisten = \"off\""));
    proxy.hup();
    until("it listens no more", || Wire::connect(proxy.admin(), &another).is_err());
    proxy.rewrite(|_| config);
    proxy.hup();
    until("it listens again", || {
        Wire::connect(proxy.admin(), &Login::new(ADMIN_USER, ADMIN_PASSWORD).no_database()).is_ok()
    });
    assert!(console(&proxy).ok("SHUTDOWN WAIT").info.contains("stops"));
    assert!(proxy.wait().success());
    let mut proxy = Setup::new(mariadb().address()).start();
    console(&proxy).ok("SHUTDOWN");
    assert!(proxy.wait().success());
}

#[test]
fn a_stop_that_takes_long_leaves_administrators_a_word() {
    let app = greenroom::demo::server::APP;
    let mut proxy = Setup::new(mariadb().address()).server("drain_timeout = \"0s\"").start();
    let mut client = Wire::connect(proxy.address(), &Login::new(app.user, app.password)).unwrap();
    client.ok("BEGIN");
    client.scalar("SELECT 1");
    let mut admin = console(&proxy);
    // Another process takes over, and who is here is asked to leave when it suits them.
    let heir = proxy.upgrade();
    admin.ok("SHUTDOWN WAIT");
    let error = admin.err("RELOAD");
    assert!(error.message.contains("Greenroom is stopping"), "{error}");
    for _ in 0..20 {
        assert_eq!(client.scalar("SELECT 2").as_deref(), Some("2"));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    admin.ok("SHUTDOWN");
    assert!(proxy.wait().success());
    assert!(client.query("SELECT 3").is_err());
    heir.stop();
}
