//! Real drivers through the proxy: what each is told in every pool mode is what it is told directly.
//!
//! A driver's script (`tests/drivers/`) plays the same scenario at each address that it is given and prints everything
//! that it sees. `scripts/install-drivers` gets the drivers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

#[path = "drivers/mysql_async.rs"]
mod mysql_async;
#[path = "drivers/program.rs"]
mod program;
#[path = "drivers/scenario.rs"]
mod scenario;
#[path = "drivers/sqlx.rs"]
mod sqlx;
#[path = "drivers/stage.rs"]
mod stage;
#[path = "drivers/sysbench.rs"]
mod sysbench;

use program::{go, java, node, perl, php, python};

#[test]
fn python_pymysql() {
    python("pymysql", "with_pymysql.py").plays();
}

#[test]
fn python_mysqlclient() {
    python("MySQLdb", "with_mysqlclient.py").plays();
}

#[test]
fn python_mysql_connector() {
    python("mysql.connector", "with_connector.py").plays();
}

#[test]
fn python_asyncmy() {
    python("asyncmy", "with_asyncmy.py").plays();
}

#[test]
fn node_mysql2() {
    node("mysql2", "with_mysql2.cjs").plays();
}

#[test]
fn node_mariadb() {
    node("mariadb", "with_mariadb.cjs").plays();
}

#[test]
fn php_mysqli() {
    php("mysqli", "with_mysqli.php").plays();
}

#[test]
fn php_pdo() {
    php("pdo_mysql", "with_pdo.php").plays();
}

#[test]
fn perl_dbd_mariadb() {
    perl("DBD::MariaDB", "dbd_mariadb.pl").plays();
}

#[test]
fn go_sql_driver() {
    go("github.com/go-sql-driver/mysql", "scenario.go").plays();
}

#[test]
fn java_mariadb_connector() {
    java("MariaDB Connector/J", "/usr/share/java/mariadb-java-client.jar", "Scenario.java").plays();
}
