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

use program::plays;
use support::program::{go, java, node, perl, php, python};

#[test]
fn python_pymysql() {
    plays(&python("pymysql", "drivers/python/with_pymysql.py"));
}

#[test]
fn python_mysqlclient() {
    plays(&python("MySQLdb", "drivers/python/with_mysqlclient.py"));
}

#[test]
fn python_mysql_connector() {
    plays(&python("mysql.connector", "drivers/python/with_connector.py"));
}

#[test]
fn python_asyncmy() {
    plays(&python("asyncmy", "drivers/python/with_asyncmy.py"));
}

#[test]
fn node_mysql2() {
    plays(&node("mysql2", "drivers/node/with_mysql2.cjs"));
}

#[test]
fn node_mariadb() {
    plays(&node("mariadb", "drivers/node/with_mariadb.cjs"));
}

#[test]
fn php_mysqli() {
    plays(&php("mysqli", "drivers/php/with_mysqli.php"));
}

#[test]
fn php_pdo() {
    plays(&php("pdo_mysql", "drivers/php/with_pdo.php"));
}

#[test]
fn perl_dbd_mariadb() {
    plays(&perl("DBD::MariaDB", "drivers/perl/dbd_mariadb.pl"));
}

#[test]
fn go_sql_driver() {
    plays(&go("github.com/go-sql-driver/mysql", "drivers/go/scenario.go"));
}

#[test]
fn java_mariadb_connector() {
    plays(&java("MariaDB Connector/J", "/usr/share/java/mariadb-java-client.jar", "drivers/java/Scenario.java"));
}
