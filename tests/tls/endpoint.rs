//! What clients meet.

use std::{io::Read, os::unix::net::UnixStream, thread};

use greenroom::demo::server::Flavor;
use mysql_common::constants::CapabilityFlags;
use rustls::{HandshakeKind, ProtocolVersion, SupportedProtocolVersion, version};

use super::{authority, each_server, setup, showing, stranger};
use crate::support::{
    authority::Wish,
    observe::until,
    proxy::Setup,
    servers::{Tenant, each_private_server},
    wire::{AuthPath, Login, Tls, Wire, WireError},
};

const VERSIONS: [(&SupportedProtocolVersion, ProtocolVersion, &str); 2] = [
    (&version::TLS12, ProtocolVersion::TLSv1_2, "version=\"TLSv1.2\""),
    (&version::TLS13, ProtocolVersion::TLSv1_3, "version=\"TLSv1.3\""),
];

/// The number of the error that a login is refused with.
fn refused(login: Result<Wire, WireError>) -> u16 {
    match login {
        Err(WireError::Refused(error)) => error.code,
        other => panic!("a refusal was due, not {other:?}"),
    }
}

#[test]
fn disabled_offers_nothing_and_a_wish_is_a_broken_login() {
    each_server(|server| {
        let tenant = Tenant::new(server, "disabled");
        let proxy = setup(server, &tenant, &[]).endpoint("tls = \"disabled\"").start();
        let mut wire = Wire::open(proxy.address()).unwrap();
        assert!(!wire.greeting.capabilities.contains(CapabilityFlags::CLIENT_SSL));
        wire.send_payload(1, &[&[0, 0x0A, 0, 0][..], &[0; 28]].concat()).unwrap();
        assert_eq!(wire.packet().unwrap().payload[..3], [0xFF, 0x13, 0x04], "1043");
        assert_eq!(wire.stream().read(&mut [0]).unwrap(), 0);
        assert_eq!(tenant.connect(proxy.address()).scalar("SELECT 1").as_deref(), Some("1"));
    });
}

#[test]
fn preferred_takes_both_in_either_version() {
    each_server(|server| {
        let tenant = Tenant::new(server, "preferred");
        let proxy = setup(server, &tenant, &[]).start();
        assert_eq!(tenant.connect(proxy.address()).scalar("SELECT 1").as_deref(), Some("1"));
        for (only, is, label) in VERSIONS {
            let tls = Tls::only(&authority().file, only);
            let mut wire = Wire::connect_tls(proxy.address(), &tenant.login(), &tls).unwrap();
            assert_eq!(wire.agreed().unwrap().0, is);
            assert_eq!(wire.scalar("SELECT 1").as_deref(), Some("1"));
            assert!(wire.quit().unwrap());
            assert_eq!(proxy.metrics().sum("greenroom_tls_logins_total", &[label, "endpoint=\"app\""]), 1.0);
        }
        assert_eq!(proxy.metrics().sum("greenroom_tls_logins_total", &["version=\"none\""]), 1.0);
    });
}

#[test]
fn required_refuses_who_does_not_ask_as_the_server_would() {
    let identity = authority().issue(&Wish::of(&["127.0.0.1"]));
    each_private_server(&showing(&identity), |server| {
        let tenant = Tenant::new(&server, "required");
        let proxy = setup(&server, &tenant, &["tls = \"required\""]).endpoint("tls = \"required\"").start();
        tenant.administer(&["SET GLOBAL require_secure_transport = ON".into()]);
        let [direct, through] =
            [server.address(), proxy.address()].map(|address| match Wire::connect(address, &tenant.login()) {
                Err(WireError::Refused(error)) => {
                    (error.code, error.state, error.message.replace("127.0.0.1", "localhost"))
                }
                other => panic!("a refusal was due, not {other:?}"),
            });
        assert_eq!(through, direct);
        // Nobody learns in clear text who exists.
        let code = if server.flavor() == Flavor::MySql { 3159 } else { 1045 };
        assert_eq!(refused(Wire::connect(proxy.address(), &Login::new("nobody", "x"))), code);
        let tls = Tls::trusting(&authority().file);
        let mut wire = Wire::connect_tls(proxy.address(), &tenant.login(), &tls).unwrap();
        assert_eq!(wire.scalar("SELECT 1").as_deref(), Some("1"));
        assert_eq!(refused(Wire::connect_tls(proxy.address(), &Login::new(&tenant.name, "wrong"), &tls)), 1045);
    });
}

#[test]
fn a_unix_socket_is_as_good_as_tls_but_shows_no_certificate() {
    each_server(|server| {
        let tenant = Tenant::new(server, "sockets");
        let directory = tempfile::tempdir().unwrap();
        let [required, verified] = ["required", "verified"].map(|name| directory.path().join(name));
        let extra = |name: &str, path: &std::path::Path, more: &str| {
            format!("[[endpoints]]\nname = \"{name}\"\nlisten = \"unix:{}\"\n{more}\n", path.display())
        };
        let ca = format!("tls = \"verify-client\"\ntls_ca = \"{}\"", authority().file.display());
        let setup = setup(server, &tenant, &[]).extra(&extra("required", &required, "tls = \"required\""));
        let _proxy = setup.extra(&extra("verified", &verified, &ca)).start();
        until("both listen", || [&required, &verified].into_iter().all(|path| UnixStream::connect(path).is_ok()));
        let mut wire = Wire::connect_unix(&required, &tenant.login()).unwrap();
        assert_eq!(wire.scalar("SELECT 1").as_deref(), Some("1"));
        assert_eq!(refused(Wire::connect_unix(&verified, &tenant.login())), 1045);
    });
}

#[test]
fn clients_are_verified_where_that_is_wanted() {
    each_server(|server| {
        let tenant = Tenant::new(server, "certified");
        let ca = authority().file.clone();
        let good = authority().issue(&Wish::of(&["client"]));
        let expired = authority().issue(&Wish::of(&["client"]).expired());
        let foreign = stranger().issue(&Wish::of(&["client"]));
        let trusting = format!("tls_ca = \"{}\"", ca.display());
        for (mode, needed) in [("preferred", false), ("required", false), ("verify-client", true)] {
            let proxy = setup(server, &tenant, &[]).endpoint(&format!("tls = \"{mode}\"")).endpoint(&trusting).start();
            let login = |tls: &Tls| {
                let mut wire = Wire::connect_tls(proxy.address(), &tenant.login(), tls)?;
                Ok(wire.scalar("SELECT 1"))
            };
            let shows = Tls::showing(&ca, &good);
            // The second is resumed: it need not show it again.
            for _ in 0..2 {
                assert_eq!(login(&shows).unwrap().as_deref(), Some("1"), "{mode}");
            }
            assert_eq!(proxy.metrics().sum("greenroom_tls_logins_total", &["handshake=\"resumed\""]), 1.0);
            let bare = login(&Tls::trusting(&ca));
            match bare {
                Err(WireError::Refused(error)) if needed => assert_eq!(error.code, 1045),
                Ok(one) if !needed => assert_eq!(one.as_deref(), Some("1")),
                other => panic!("{mode}: {other:?}"),
            }
            if needed {
                assert_eq!(refused(Wire::connect(proxy.address(), &tenant.login())), 1045);
            }
            for wrong in [&expired, &foreign] {
                assert!(matches!(login(&Tls::showing(&ca, wrong)), Err(WireError::Io(_))), "{mode}");
            }
            // Whoever was turned away has cost nobody else anything.
            assert_eq!(login(&Tls::showing(&ca, &good)).unwrap().as_deref(), Some("1"), "{mode}");
        }
    });
}

#[test]
fn sessions_of_tls_are_resumed_on_every_worker() {
    each_server(|server| {
        let tenant = Tenant::new(server, "resumed");
        let proxy = setup(server, &tenant, &[]).start();
        for (only, ..) in VERSIONS {
            let tls = Tls::only(&authority().file, only);
            let mut kinds = Vec::new();
            for _ in 0..8 {
                let mut wire = Wire::connect_tls(proxy.address(), &tenant.login(), &tls).unwrap();
                assert_eq!(wire.scalar("SELECT 1").as_deref(), Some("1"));
                kinds.push(wire.agreed().unwrap().1);
            }
            assert_eq!(kinds[0], HandshakeKind::Full);
            assert!(kinds[1..].iter().all(|kind| *kind == HandshakeKind::Resumed), "{kinds:?}");
        }
        assert_eq!(proxy.metrics().sum("greenroom_tls_logins_total", &["handshake=\"resumed\""]), 14.0);
    });
}

#[test]
fn a_ticket_of_another_endpoint_does_not_stand_for_a_certificate() {
    each_server(|server| {
        let tenant = Tenant::new(server, "tickets");
        let ca = authority().file.clone();
        let port = greenroom::demo::server::free_port().unwrap();
        let identity = authority().issue(&Wish::of(&["localhost"]));
        let open = format!(
            "[[endpoints]]\nname = \"open\"\nlisten = \"127.0.0.1:{port}\"\ntls_cert = \"{}\"\ntls_key = \"{}\"\n",
            identity.cert.display(),
            identity.key.display()
        );
        let proxy = setup(server, &tenant, &[])
            .endpoint("tls = \"verify-client\"")
            .endpoint(&format!("tls_ca = \"{}\"", ca.display()))
            .extra(&open)
            .start();
        let open = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        until("the other endpoint listens", || std::net::TcpStream::connect(open).is_ok());
        let tls = Tls::trusting(&ca);
        for _ in 0..2 {
            let mut wire = Wire::connect_tls(open, &tenant.login(), &tls).unwrap();
            assert_eq!(wire.scalar("SELECT 1").as_deref(), Some("1"));
        }
        assert_eq!(refused(Wire::connect_tls(proxy.address(), &tenant.login(), &tls)), 1045);
    });
}

#[test]
fn what_is_slipped_in_before_the_handshake_is_never_taken_for_the_clients_word() {
    each_server(|server| {
        let tenant = Tenant::new(server, "slipped");
        let proxy = setup(server, &tenant, &[]).start();
        let mut wire = Wire::open(proxy.address()).unwrap();
        // A request, and behind it what looks like the login that is to come in TLS.
        let request = [&[0x85, 0xAE, 0x0A, 0, 0, 0, 0, 1, 45][..], &[0; 23]].concat();
        let mut bytes = [&[32, 0, 0, 1][..], &request].concat();
        bytes.extend([&[40, 0, 0, 2][..], &request, b"root\0\0\0\0"].concat());
        wire.send_raw(&bytes).unwrap();
        let tls = Tls::trusting(&authority().file);
        assert!(wire.handshake(&tls).is_err());
        until("it has gone", || proxy.clients() == 0.0);
        until("it is counted", || proxy.metrics().sum("greenroom_logins_total", &["result=\"failed\""]) == 1.0);
    });
}

#[test]
fn a_client_hello_right_behind_the_request_is_read() {
    each_server(|server| {
        let tenant = Tenant::new(server, "behind");
        let proxy = setup(server, &tenant, &[]).start();
        let tls = Tls::trusting(&authority().file);
        let mut wire = Wire::open(proxy.address()).unwrap();
        // The head of the packet alone, so that all that follows comes with it at once.
        let socket = socket2::SockRef::from(wire.stream());
        socket.set_tcp_cork(true).unwrap();
        let uncork = wire.stream().try_clone().unwrap();
        wire.send_payload(1, &[&[0x85, 0xAE, 0x0A, 0, 0, 0, 0, 1, 45][..], &[0; 23]].concat()).unwrap();
        let later = thread::spawn(move || {
            thread::sleep(std::time::Duration::from_millis(100));
            socket2::SockRef::from(&uncork).set_tcp_cork(false).unwrap();
        });
        wire.handshake(&tls).unwrap();
        later.join().unwrap();
        assert!(wire.agreed().is_some());
    });
}

#[test]
fn a_password_is_learned_inside_tls() {
    each_server(|server| {
        let tenant = Tenant::new(server, "learned");
        let proxy = Setup::new(server.address()).endpoint("credentials = \"learned\"").start();
        // What is made anew at every start can be trusted by nobody who verifies; the drivers' tests do not.
        drop(proxy);
        let proxy = setup(server, &Tenant::new(server, "other"), &[]).endpoint("credentials = \"learned\"").start();
        let tls = Tls::trusting(&authority().file);
        let login = tenant.login().plugin("caching_sha2_password").in_clear();
        let wire = Wire::connect_tls(proxy.address(), &login, &tls).unwrap();
        assert_eq!(wire.auth, AuthPath::FullClear);
        let again = Wire::connect_tls(proxy.address(), &login, &tls).unwrap();
        assert_eq!(again.auth, AuthPath::Fast);
        let wrong = Login::new(&tenant.name, "wrong").plugin("caching_sha2_password").in_clear();
        assert_eq!(refused(Wire::connect_tls(proxy.address(), &wrong, &tls)), 1045);
    });
}

#[test]
fn a_proxy_speaks_before_tls_for_the_client_whose_tls_it_passes_on() {
    each_server(|server| {
        let tenant = Tenant::new(server, "passed");
        let proxy = setup(server, &tenant, &["tls = \"required\""])
            .endpoint("tls = \"required\"")
            .endpoint("proxy_protocol_networks = [\"127.0.0.1\"]")
            .start();
        let tls = Tls::trusting(&authority().file);
        let come = |login: &Login| {
            let mut wire = Wire::open(proxy.address())?;
            wire.send_raw(b"PROXY TCP4 10.1.2.3 10.0.0.1 4711 3306\r\n")?;
            wire.encrypt(login, &tls)?.log_in(login)
        };
        let mut wire = come(&tenant.login()).unwrap();
        assert_eq!(wire.scalar("SELECT 1").as_deref(), Some("1"));
        match come(&Login::new(&tenant.name, "wrong")) {
            Err(WireError::Refused(error)) => assert!(error.message.contains("@'10.1.2.3'"), "{error}"),
            other => panic!("a refusal was due, not {other:?}"),
        }
    });
}
