//! The drivers in Rust.

use std::path::PathBuf;

use mysql_async::{Conn, OptsBuilder, SslOpts, prelude::Queryable};
use sqlx::{
    ConnectOptions, Connection, Row,
    mysql::{MySqlConnectOptions, MySqlDatabaseError, MySqlSslMode},
};

use super::{
    field::{PASSWORD, authority},
    programs::Case,
    support::driver::block_on,
};

const SQL: &str = "SELECT 40 + 2";

/// `= VALUE` or `! NUMBER WORDS`, as the other languages' scripts say it.
pub(super) fn sqlx(case: &Case) -> String {
    let options = MySqlConnectOptions::new().username(&case.user).password(PASSWORD).disable_statement_logging();
    let options = match case.channel {
        "Unix socket" => options.socket(&case.socket),
        _ => options.host("127.0.0.1").port(case.address.port()),
    };
    let options = match case.channel {
        "TLS" => options.ssl_mode(MySqlSslMode::VerifyIdentity).ssl_ca(&authority().file),
        _ => options.ssl_mode(MySqlSslMode::Disabled),
    };
    let told = block_on(async {
        let mut connection = options.connect().await?;
        let value: i64 = sqlx::query(SQL).fetch_one(&mut connection).await?.get(0);
        connection.close().await?;
        Ok::<_, sqlx::Error>(value)
    });
    match told {
        Ok(value) => format!("= {value}"),
        Err(error) => {
            let refused = error.as_database_error().and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>());
            format!("! {} {error}", refused.map_or(0, MySqlDatabaseError::number))
        }
    }
}

/// The same with another driver.
pub(super) fn mysql_async(case: &Case) -> String {
    let options = OptsBuilder::default().user(Some(&case.user)).pass(Some(PASSWORD)).prefer_socket(false);
    let options = options.enable_cleartext_plugin(case.channel != "TCP");
    let options = match case.channel {
        "Unix socket" => options.socket(case.socket.to_str()),
        _ => options.ip_or_hostname("127.0.0.1").tcp_port(case.address.port()),
    };
    let tls = || {
        let roots = vec![PathBuf::from(&authority().file).into()];
        SslOpts::default().with_root_certs(roots).with_disable_built_in_roots(true)
    };
    let options = options.ssl_opts((case.channel == "TLS").then(tls));
    let told = block_on(async {
        let mut conn = Conn::new(options).await?;
        let value: Option<i64> = conn.query_first(SQL).await?;
        conn.disconnect().await?;
        Ok::<_, mysql_async::Error>(value.unwrap_or_default())
    });
    match told {
        Ok(value) => format!("= {value}"),
        Err(mysql_async::Error::Server(error)) => format!("! {} {}", error.code, error.message),
        Err(error) => format!("! 0 {error}"),
    }
}
