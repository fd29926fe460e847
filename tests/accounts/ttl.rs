//! What was learned of a server is proven there anew when it is old.

use crate::support::observe::until;
use crate::support::proxy::Setup;
use crate::support::servers::{Tenant, each_server};
use crate::support::wire::{ErrPacket, Login, Wire, WireError};

pub(crate) const MODES: [&str; 3] = ["none", "session", "transaction"];

/// How a login ends.
pub(crate) fn outcome(address: std::net::SocketAddr, login: &Login) -> Result<Wire, ErrPacket> {
    match Wire::connect(address, login) {
        Ok(wire) => Ok(wire),
        Err(WireError::Refused(error)) => Err(error),
        Err(other) => panic!("{other:?}"),
    }
}

fn learning(server: std::net::SocketAddr, mode: &str, ttl: &str) -> Setup {
    let setup = Setup::new(server).endpoint(&format!("pool = \"{mode}\"")).endpoint("credentials = \"learned\"");
    setup.endpoint("idle_timeout = \"1m\"").endpoint(&format!("credential_ttl = \"{ttl}\""))
}

#[test]
fn a_password_that_was_changed_lets_nobody_in_for_longer_than_its_time() {
    each_server(|server| {
        for mode in MODES {
            let tenant = Tenant::new(server, "aged");
            let proxy = learning(server.address(), mode, "300ms").start();
            // Without a database, which alone might make the login ask the server.
            let old = Login::new(&tenant.name, &tenant.password).plugin("caching_sha2_password");
            let mut inside = outcome(proxy.address(), &old).unwrap();
            outcome(proxy.address(), &old).unwrap();
            tenant.administer(&[format!("ALTER USER {}@'%' IDENTIFIED BY 'brand-new'", tenant.name)]);
            until("the old password is refused", || {
                outcome(proxy.address(), &old).is_err_and(|error| error.code == 1045)
            });
            let new = Login::new(&tenant.name, "brand-new").plugin("caching_sha2_password");
            let mut wire = outcome(proxy.address(), &new).unwrap();
            assert_eq!(wire.scalar("SELECT 1").as_deref(), Some("1"));
            assert_eq!(outcome(proxy.address(), &old).unwrap_err().code, 1045, "{mode}");
            // Who is in stays, while the connection that he came by lasts.
            assert_eq!(inside.scalar("SELECT 1").as_deref(), Some("1"));
        }
    });
}

#[test]
fn an_account_that_was_locked_or_dropped_lets_nobody_in_and_one_that_is_well_goes_on() {
    each_server(|server| {
        for mode in MODES {
            let tenant = Tenant::new(server, "locked");
            let proxy = learning(server.address(), mode, "200ms").start();
            let login = Login::new(&tenant.name, &tenant.password).plugin("caching_sha2_password");
            // Over several times of its life.
            for _ in 0..20 {
                outcome(proxy.address(), &login).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            tenant.administer(&[format!("ALTER USER {}@'%' ACCOUNT LOCK", tenant.name)]);
            let direct = outcome(server.address(), &login).unwrap_err();
            until("the locked account is refused", || {
                outcome(proxy.address(), &login).is_err_and(|error| error.code == direct.code)
            });
            assert_eq!(outcome(proxy.address(), &login).unwrap_err(), direct, "{mode}");
            tenant.administer(&[format!("ALTER USER {}@'%' ACCOUNT UNLOCK", tenant.name)]);
            outcome(proxy.address(), &login).unwrap();
            tenant.administer(&[format!("DROP USER {}@'%'", tenant.name)]);
            until("the dropped account is refused", || {
                outcome(proxy.address(), &login).is_err_and(|error| error.code == 1045)
            });
        }
    });
}
