//! Users who must show a certificate of their own.

use super::{authority, each_server, setup};
use crate::support::{
    authority::Wish,
    servers::Tenant,
    wire::{ErrPacket, Login, Tls, Wire, WireError},
};

#[test]
fn a_certificate_of_the_wanted_subject_is_needed_beside_the_password() {
    each_server(|server| {
        let tenant = Tenant::new(server, "subject");
        let ca = authority().file.clone();
        let [own, other] = ["app", "other"].map(|name| {
            let identity = authority().issue(&Wish::of(&["client"]).called(name));
            Tls::showing(&ca, &identity)
        });
        let users = format!(
            "[[users]]\nname = \"wanted\"\npassword = \"given\"\ntls_subject = \"/CN=app\"\n{0}\n\
             [[users]]\nname = \"bare\"\npassword = \"\"\ntls_subject = \"/CN=app\"\n{0}\n",
            format!("backend_user = \"{}\"\nbackend_password = \"{}\"", tenant.name, tenant.password)
        );
        let trusting = format!("tls_ca = \"{}\"", ca.display());
        for pool in ["none", "session", "transaction"] {
            let pool = format!("pool = \"{pool}\"");
            let proxy = setup(server, &tenant, &[]).endpoint(&trusting).endpoint(&pool).extra(&users).start();
            let login = |user: &str, password: &str, tls: &Tls| {
                Wire::connect_tls(proxy.address(), &Login::new(user, password), tls)
            };
            let refused = |outcome: Result<Wire, WireError>| -> ErrPacket {
                let Err(WireError::Refused(error)) = outcome else { panic!("{outcome:?}") };
                error
            };
            // The second time by a session of TLS that is resumed.
            for (user, password) in [("wanted", "given"), ("wanted", "given"), ("bare", "")] {
                let mut wire = login(user, password, &own).unwrap();
                assert_eq!(wire.scalar("SELECT CURRENT_USER()"), Some(format!("{}@%", tenant.name)));
            }
            let wrong = refused(login("wanted", "guess", &own));
            assert_eq!(wrong.code, 1045);
            for tls in [&other, &Tls::trusting(&ca)] {
                assert_eq!(refused(login("wanted", "given", tls)), wrong);
                assert!(refused(login("bare", "", tls)).message.ends_with("(using password: NO)"));
                // Whom nothing is asked of goes in by any.
                Wire::connect_tls(proxy.address(), &tenant.login(), tls).unwrap();
            }
            assert_eq!(refused(Wire::connect(proxy.address(), &Login::new("wanted", "given"))), wrong);
            // Nor does one become such a user later.
            let mut inside = Wire::connect_tls(proxy.address(), &tenant.login(), &other).unwrap();
            let changed = inside.change_user(&Login::new("bare", ""));
            assert!(matches!(changed, Err(WireError::Refused(error)) if error.code == 1045));
            let mut inside = Wire::connect_tls(proxy.address(), &tenant.login(), &own).unwrap();
            inside.change_user(&Login::new("bare", "")).unwrap();
        }
    });
}
