//! Programs that people use: the command-line clients of both makers, a dump restored, and a driver.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

mod support;

use std::{
    env,
    io::Write,
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Stdio},
};

use greenroom::demo::server::{Flavor, Server};
use mysql_async::{Opts, Pool, PoolConstraints, PoolOpts, TxOpts, params, prelude::Queryable};
use support::{
    driver::{block_on, connect, opts},
    proxy::Setup,
    servers::{Tenant, each_server},
};

const MODES: [&str; 3] = ["none", "session", "transaction"];

/// What the clients run: comments, several results, warnings, a routine with a delimiter of its own, state, an error.
const SCRIPT: &str = "\
CREATE TABLE c (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20), born DATE, x DOUBLE, b VARBINARY(4));
INSERT INTO c (name, born, x, b) VALUES ('Zoë', '2001-02-03', 1.5, X'00FF'), ('tab\\there', NULL, -1e100, NULL);
SELECT id, name, born, x, HEX(b) FROM c /* a comment */ ORDER BY id; SELECT 'two' AS b;
DELIMITER //
CREATE PROCEDURE twice(IN n INT) BEGIN SELECT n; SELECT n * 2; END//
DELIMITER ;
CALL twice(21);
SET @kept = 'a variable'; SELECT @kept;
BEGIN; DELETE FROM c; SELECT COUNT(*) FROM c; ROLLBACK; SELECT COUNT(*) FROM c;
PREPARE s FROM 'SELECT ? + 1'; SET @n = 6; EXECUTE s USING @n; DEALLOCATE PREPARE s;
SELECT CAST('12x' AS SIGNED); SHOW WARNINGS;
CREATE TEMPORARY TABLE tt AS SELECT 1 AS one; SELECT * FROM tt;
SELECT nothing FROM nowhere;
SELECT 'not reached';
";

/// The command-line programs of either maker that are there: client and dump.
fn programs() -> Vec<(PathBuf, PathBuf)> {
    let mysql = PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache/greenroom/mysql/bin");
    let pairs = [("mariadb".into(), "mariadb-dump".into()), (mysql.join("mysql"), mysql.join("mysqldump"))];
    let found = pairs.into_iter().filter(|(client, dump): &(PathBuf, PathBuf)| {
        [client, dump]
            .iter()
            .all(|program| Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success()))
    });
    found.collect()
}

/// Runs a program against an address as the tenant; gives its exit code, its output and its errors.
fn run(
    program: &PathBuf,
    address: SocketAddr,
    tenant: &Tenant,
    more: &[&str],
    input: &[u8],
) -> (Option<i32>, Vec<u8>, String) {
    let mut child = Command::new(program)
        .args(["--no-defaults", "--protocol=TCP", "--host=127.0.0.1"])
        .arg(format!("--port={}", address.port()))
        .args([format!("--user={}", tenant.name), format!("--password={}", tenant.password)])
        .args(if program.ends_with("mysql") || program.ends_with("mysqldump") {
            &["--ssl-mode=DISABLED", "--get-server-public-key"][..]
        } else {
            &[]
        })
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A client that ends at an error does not read the rest.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).replace(&address.port().to_string(), "PORT");
    (output.status.code(), output.stdout, errors)
}

/// What MySQL's programs can not do: log in to MariaDB, whose plugin they have lost.
fn can(program: &std::path::Path, server: &Server) -> bool {
    !(program.components().count() > 1 && server.flavor() == Flavor::MariaDb)
}

#[test]
fn the_command_line_clients_print_what_they_print_directly() {
    each_server(|server| {
        for (client, _) in programs().iter().filter(|(client, _)| can(client, server)) {
            // Directly, or through a proxy in a mode of these.
            let print = |mode: Option<&str>, options: &[&str]| {
                // A fresh database each time, and the same name for it, so that everything printed is the same.
                let tenant = Tenant::new(server, "clients");
                let proxy = mode.map(|mode| {
                    let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
                    setup.user(&tenant.name, &tenant.password).start()
                });
                let address = proxy.as_ref().map_or(server.address(), |proxy| proxy.address());
                let options = [options, &[tenant.name.as_str()]].concat();
                let (code, out, err) = run(client, address, &tenant, &options, SCRIPT.as_bytes());
                (code, String::from_utf8_lossy(&out).replace(&tenant.name, "T"), err.replace(&tenant.name, "T"))
            };
            for options in [
                &["--batch"][..],
                &["--batch", "--force", "-vvv", "--show-warnings"],
                &["--table", "--column-type-info"],
            ] {
                // -vvv prints how long each statement took.
                let timeless = |(code, out, err): (Option<i32>, String, String)| {
                    let lines = out.lines().map(|line| line.split(" (").next().unwrap_or_default());
                    (code, lines.map(str::to_owned).collect::<Vec<_>>(), err)
                };
                let direct = timeless(print(None, options));
                assert!(direct.1.len() > 20, "{direct:?}");
                for mode in MODES {
                    let through = timeless(print(Some(mode), options));
                    assert_eq!(through, direct, "{} {options:?} {mode}", client.display());
                }
            }
        }
    });
}

#[test]
fn a_dump_made_through_the_proxy_is_restored_through_it() {
    each_server(|server| {
        for (client, dump) in programs().iter().filter(|(client, _)| can(client, server)) {
            for mode in MODES {
                let tenants = [(); 2].map(|()| Tenant::new(server, "dump"));
                // mysqldump flushes tables before it begins.
                tenants[0].administer(
                    &tenants.each_ref().map(|tenant| format!("GRANT RELOAD, PROCESS ON *.* TO {}@'%'", tenant.name)),
                );
                let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
                let setup = tenants.iter().fold(setup, |setup, tenant| setup.user(&tenant.name, &tenant.password));
                let proxy = setup.start();
                let [from, to] = &tenants;
                let mut filler = String::from(SCRIPT.split("SELECT nothing").next().unwrap());
                filler += "CREATE TABLE big (id INT PRIMARY KEY, t TEXT);\nCREATE VIEW v AS SELECT id FROM c;\n\
                    CREATE TRIGGER g BEFORE INSERT ON big FOR EACH ROW SET NEW.t = CONCAT(NEW.t, '!');\n";
                filler += "CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DISABLE DO DELETE FROM big;\n\
                    CREATE TABLE raw (id INT PRIMARY KEY, b LONGBLOB);\n\
                    INSERT INTO raw VALUES (1, REPEAT(X'00FF5C270A1A', 50000)), (2, ''), (3, NULL);\n";
                for id in 0..300 {
                    filler += &format!("INSERT INTO big VALUES ({id}, '{}');\n", "it''s text \\\\ ".repeat(50));
                }
                assert_eq!(run(client, proxy.address(), from, &[&from.name], filler.as_bytes()).0, Some(0));
                let options = [
                    "--routines",
                    "--events",
                    "--triggers",
                    "--single-transaction",
                    "--no-tablespaces",
                    "--skip-comments",
                    "--hex-blob",
                ];
                // Else it would want to set a variable that only administrators may.
                let gtids: &[&str] = if dump.ends_with("mysqldump") { &["--set-gtid-purged=OFF"] } else { &[] };
                let made = |address: SocketAddr, tenant: &Tenant| {
                    let (code, text, errors) =
                        run(dump, address, tenant, &[&options[..], gtids, &[&tenant.name]].concat(), b"");
                    assert_eq!(code, Some(0), "{errors}");
                    String::from_utf8(text).unwrap().replace(&tenant.name, "T")
                };
                let text = made(proxy.address(), from);
                assert!(text == made(server.address(), from), "the dump is another than a direct one, {mode}");
                assert!(
                    text.len() > 150_000 && text.contains("CREATE DEFINER") && text.contains("EVENT"),
                    "{}",
                    text.len()
                );
                let restored = run(
                    client,
                    proxy.address(),
                    to,
                    &[&to.name],
                    text.replace("`T`", &format!("`{}`", to.name)).as_bytes(),
                );
                assert_eq!(restored.0, Some(0), "{}", restored.2);
                assert!(made(server.address(), to) == text, "the restored database is another, {mode}");
            }
        }
    });
}

#[test]
fn a_driver_with_a_pool_of_its_own_works() {
    each_server(|server| {
        for mode in MODES {
            println!("pool = {mode}");
            let tenant = Tenant::new(server, "driver");
            let setup = Setup::new(server.address()).endpoint(&format!("pool = \"{mode}\""));
            let proxy = setup.user(&tenant.name, &tenant.password).start();
            let limits = PoolOpts::default().with_constraints(PoolConstraints::new(1, 8).unwrap());
            let options: Opts =
                opts(proxy.address(), &tenant.name, &tenant.password, &tenant.name).pool_opts(limits).into();
            block_on(async {
                let mut first = connect(proxy.address(), &tenant.name, &tenant.password, &tenant.name).await;
                first.query_drop("CREATE TABLE d (id INT PRIMARY KEY, n INT) ENGINE = InnoDB").await.unwrap();
                first.exec_batch("INSERT INTO d VALUES (?, ?)", (0..10).map(|id| (id, 0))).await.unwrap();
                let pool = Pool::new(options);
                let tasks: Vec<_> = (0..16).map(|task| tokio::spawn(work(pool.clone(), task))).collect();
                for task in tasks {
                    task.await.unwrap();
                }
                let sum: Option<(i64, i64)> = first.query_first("SELECT SUM(n), COUNT(*) FROM d").await.unwrap();
                // Each task adds 1 ten times, and takes the eleventh back.
                assert_eq!(sum, Some((160, 10)));
                first.disconnect().await.unwrap();
                pool.disconnect().await.unwrap();
            });
        }
    });
}

async fn work(pool: Pool, task: i64) {
    for round in 0..10 {
        let mut conn = pool.get_conn().await.unwrap();
        let text: Option<String> = conn.query_first(format!("SELECT 'text {task} {round}'")).await.unwrap();
        assert_eq!(text, Some(format!("text {task} {round}")));
        let both: Option<(i64, String)> = conn
            .exec_first("SELECT :number + 1, :text", params! { "number" => task, "text" => "typed" })
            .await
            .unwrap();
        assert_eq!(both, Some((task + 1, "typed".to_owned())));
        let mut change = conn.start_transaction(TxOpts::default()).await.unwrap();
        change.exec_drop("UPDATE d SET n = n + 1 WHERE id = ?", (round,)).await.unwrap();
        change.commit().await.unwrap();
        drop(conn);
    }
    let mut conn = pool.get_conn().await.unwrap();
    let mut change = conn.start_transaction(TxOpts::default()).await.unwrap();
    change.query_drop("UPDATE d SET n = n + 1000").await.unwrap();
    change.rollback().await.unwrap();
}
