//! Drivers and programs that people use, in TLS as each does it.

use std::{env, path::PathBuf, process::Command};

use greenroom::demo::server::Flavor;
use mysql_async::{Conn, SslOpts, prelude::Queryable};
use sqlx::{
    ConnectOptions, Connection, Row,
    mysql::{MySqlConnectOptions, MySqlSslMode},
};

use super::{authority, each_server, setup, stranger};
use crate::support::{
    authority::Authority,
    driver::{block_on, opts},
    proxy::Proxy,
    servers::Tenant,
};

/// How many logins there were in TLS.
fn in_tls(proxy: &Proxy) -> f64 {
    let all = proxy.metrics().sum("greenroom_tls_logins_total", &[]);
    all - proxy.metrics().sum("greenroom_tls_logins_total", &["version=\"none\""])
}

#[test]
fn mysql_async_in_every_mode() {
    each_server(|server| {
        let tenant = Tenant::new(server, "async");
        for pool in ["none", "session", "transaction"] {
            let proxy = setup(server, &tenant, &["tls = \"required\""])
                .endpoint("tls = \"required\"")
                .endpoint(&format!("pool = \"{pool}\""))
                .start();
            // To `localhost`, for which the certificate is.
            let options = |authority: &Authority| {
                let tls = SslOpts::default().with_root_certs(vec![authority.file.clone().into()]);
                let tls = tls.with_disable_built_in_roots(true);
                opts(proxy.address(), &tenant.name, &tenant.password, &tenant.name)
                    .ip_or_hostname("localhost")
                    .ssl_opts(Some(tls))
            };
            block_on(async {
                assert!(Conn::new(options(stranger())).await.is_err(), "it verifies");
                let mut conn = Conn::new(options(authority())).await.unwrap();
                conn.query_drop("CREATE TABLE IF NOT EXISTS t (a INT)").await.unwrap();
                conn.exec_drop("INSERT INTO t VALUES (?), (?)", (1, 2)).await.unwrap();
                let sum: Option<i64> = conn.exec_first("SELECT COUNT(*) FROM t WHERE a > ?", (0,)).await.unwrap();
                assert!(sum >= Some(2));
                conn.reset().await.unwrap();
                conn.disconnect().await.unwrap();
            });
            assert_eq!(in_tls(&proxy), 1.0);
        }
    });
}

#[test]
fn sqlx_in_every_mode() {
    each_server(|server| {
        let tenant = Tenant::new(server, "sqlx");
        for pool in ["none", "session", "transaction"] {
            let proxy = setup(server, &tenant, &["tls = \"required\""])
                .endpoint("tls = \"required\"")
                .endpoint(&format!("pool = \"{pool}\""))
                .start();
            let modes = [MySqlSslMode::Preferred, MySqlSslMode::VerifyCa, MySqlSslMode::VerifyIdentity];
            for mode in modes {
                let options = MySqlConnectOptions::new()
                    .host("localhost")
                    .port(proxy.address().port())
                    .username(&tenant.name)
                    .password(&tenant.password)
                    .database(&tenant.name)
                    .ssl_mode(mode)
                    .ssl_ca(&authority().file);
                block_on(async {
                    let mut connection = options.connect().await.unwrap();
                    let row = sqlx::query("SELECT ? + 1").bind(41_i64).fetch_one(&mut connection).await.unwrap();
                    assert_eq!(row.get::<i64, _>(0), 42);
                    connection.close().await.unwrap();
                    let plain = options.clone().ssl_mode(MySqlSslMode::Disabled).connect().await;
                    assert!(plain.is_err(), "TLS is required");
                });
            }
            assert_eq!(in_tls(&proxy), 3.0);
        }
    });
}

/// A command-line program's output; `Err` with what it complains of.
fn run(program: &PathBuf, proxy: &Proxy, tenant: &Tenant, options: &[String]) -> Result<String, String> {
    let output = Command::new(program)
        .args(["--no-defaults", "--protocol=TCP", "--host=localhost", "--batch", "--skip-column-names"])
        .arg(format!("--port={}", proxy.address().port()))
        .args([format!("--user={}", tenant.name), format!("--password={}", tenant.password)])
        .args(options)
        .args(["--execute=SELECT 'arrived'; SELECT REPEAT('x', 100000)"])
        .arg(&tenant.name)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn is_there(program: &PathBuf) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// The program, what it is told of TLS, and whether it then gets in.
fn plays(program: &PathBuf, cases: &[(&[&str], bool)]) {
    if !is_there(program) {
        println!("{} is not there", program.display());
        return;
    }
    let home = program.components().count() > 1;
    each_server(|server| {
        // MySQL's program has lost the plugin that MariaDB's accounts have.
        if home && server.flavor() == Flavor::MariaDb {
            return;
        }
        let tenant = Tenant::new(server, "program");
        let proxy = setup(server, &tenant, &["tls = \"required\""]).endpoint("tls = \"required\"").start();
        let mut due = 0.0;
        for (options, gets_in) in cases {
            let options: Vec<_> = options
                .iter()
                .map(|option| option.replace("CA", &authority().file.display().to_string()))
                .map(|option| option.replace("STRANGER", &stranger().file.display().to_string()))
                .collect();
            let said = run(program, &proxy, &tenant, &options);
            assert_eq!(said.is_ok(), *gets_in, "{options:?}: {said:?}");
            if let Ok(text) = said {
                assert!(text.starts_with("arrived\n") && text.len() > 100_000, "{options:?}");
                due += 1.0;
            }
        }
        assert_eq!(in_tls(&proxy), due);
    });
}

#[test]
fn the_program_of_mariadb() {
    let cases: [(&[&str], bool); 6] = [
        (&["--ssl"], true),
        (&["--ssl-ca=CA", "--ssl-verify-server-cert"], true),
        (&["--ssl-ca=STRANGER", "--ssl-verify-server-cert"], false),
        (&["--ssl", "--tls-version=TLSv1.2"], true),
        (&["--ssl", "--tls-version=TLSv1.3"], true),
        (&["--skip-ssl"], false),
    ];
    plays(&"mariadb".into(), &cases);
}

#[test]
fn the_program_of_mysql() {
    let program = PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache/greenroom/mysql/bin/mysql");
    let cases: [(&[&str], bool); 7] = [
        (&[], true),
        (&["--ssl-mode=REQUIRED"], true),
        (&["--ssl-mode=VERIFY_IDENTITY", "--ssl-ca=CA"], true),
        (&["--ssl-mode=VERIFY_CA", "--ssl-ca=STRANGER"], false),
        (&["--ssl-mode=REQUIRED", "--tls-version=TLSv1.2"], true),
        (&["--ssl-mode=REQUIRED", "--tls-version=TLSv1.3"], true),
        (&["--ssl-mode=DISABLED", "--get-server-public-key"], false),
    ];
    plays(&program, &cases);
}
