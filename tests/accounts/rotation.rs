//! A password of the configuration is changed while sessions are there.

use super::ttl::{MODES, outcome};
use crate::support::observe::until;
use crate::support::proxy::Setup;
use crate::support::servers::{Tenant, each_server};
use crate::support::wire::Login;

#[test]
fn sessions_go_on_and_new_logins_need_the_new_password() {
    each_server(|server| {
        for mode in MODES {
            let tenant = Tenant::new(server, "rotated");
            let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password);
            let proxy = setup.endpoint(&format!("pool = \"{mode}\"")).start();
            let (old, new) = (tenant.login(), Login::new(&tenant.name, "brand-new").database(&tenant.name));
            let [mut idle, mut busy] = [(); 2].map(|()| outcome(proxy.address(), &old).unwrap());
            busy.ok("CREATE TABLE kept (n INT)");
            busy.ok("BEGIN");
            busy.ok("INSERT INTO kept VALUES (1)");
            tenant.administer(&[format!("ALTER USER {}@'%' IDENTIFIED BY 'brand-new'", tenant.name)]);
            proxy.rewrite(|text| text.replace(&tenant.password, "brand-new"));
            proxy.hup();
            until("the new password is taken", || outcome(proxy.address(), &new).is_ok());
            assert_eq!(outcome(proxy.address(), &old).unwrap_err().code, 1045, "{mode}");
            busy.ok("INSERT INTO kept VALUES (2)");
            busy.ok("COMMIT");
            assert_eq!(idle.scalar("SELECT COUNT(*) FROM kept").as_deref(), Some("2"), "{mode}");
            let mut wire = outcome(proxy.address(), &new).unwrap();
            assert_eq!(wire.scalar("SELECT SUM(n) FROM kept").as_deref(), Some("3"));
        }
    });
}
