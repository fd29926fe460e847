use mysql_common::constants::CapabilityFlags as Flags;
use proptest::prelude::*;

use super::{BackendSecret, Identity, NodeLogin, NodeLoginError, NodeStep};
use crate::{
    capability::Capabilities,
    error::SqlError,
    login::{
        LoginError,
        attributes::Attributes,
        change_user::ChangeUser,
        plugin::Plugin,
        request::LoginRequest,
        rsa::{NodeKey, RsaError, tests::KEY},
        scramble::{native, sha2},
        signature::parsec,
        switch::{ServerWord, more, switch_to, switch_with},
        tests::greeting,
        wires::*,
    },
    secret::Secret,
};

fn password() -> BackendSecret {
    BackendSecret::Password(Secret::new("app-secret"))
}

fn stage1(plugin: Plugin) -> BackendSecret {
    let password = Secret::new("app-secret");
    match plugin {
        Plugin::Native => BackendSecret::NativeStage1(native::stage1(&password)),
        _ => BackendSecret::Sha2Stage1(sha2::stage1(&password)),
    }
}

fn identity(secret: BackendSecret, charset: u16, flags: Flags) -> Identity {
    Identity {
        user: b"app".into(),
        secret,
        database: Some(b"app".into()),
        charset,
        capabilities: Capabilities { flags, ..Capabilities::NONE },
        attributes: Attributes::default(),
        clear_text: false,
    }
}

/// Answers a recorded greeting; gives the request as it was sent.
fn begin(wire: &str, secret: BackendSecret, secure: bool, key: Option<NodeKey>) -> (NodeLogin, LoginRequest) {
    let flags = Flags::CLIENT_PROTOCOL_41 | Flags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA;
    let (login, payload) = NodeLogin::new(&greeting(wire), identity(secret, 45, flags), secure, key);
    (login, LoginRequest::parse(&payload).unwrap())
}

fn sent(step: NodeStep) -> Vec<u8> {
    let NodeStep::Send(payload) = step else { panic!("{step:?}") };
    payload.expose().to_vec()
}

fn failed(step: NodeStep) -> NodeLoginError {
    let NodeStep::Failed(error) = step else { panic!("{step:?}") };
    error
}

#[test]
fn the_answer_is_what_the_real_client_answered() {
    for (wire, recorded, plugin) in
        [(MYSQL_GREETING, MYSQL_REQUEST, Plugin::CachingSha2), (MARIADB_GREETING, MARIADB_REQUEST, Plugin::Native)]
    {
        let recorded = LoginRequest::parse(&hex(recorded)).unwrap();
        for secret in [password(), stage1(plugin)] {
            let (mut login, request) = begin(wire, secret, false, None);
            assert_eq!((request.auth, request.plugin), (recorded.auth.clone(), recorded.plugin.clone()));
            if plugin == Plugin::CachingSha2 {
                assert!(matches!(login.step(b"\x01\x03"), NodeStep::Wait));
            }
            assert!(matches!(login.step(&hex(OK)), NodeStep::Done(welcome) if welcome.payload == hex(OK)));
        }
    }
}

#[test]
fn a_long_collation_id_takes_a_second_login() {
    let flags = Flags::CLIENT_PROTOCOL_41 | Flags::CLIENT_SECURE_CONNECTION | Flags::CLIENT_PLUGIN_AUTH;
    let greeting = greeting(MARIADB_GREETING);
    let (_, first) = NodeLogin::new(&greeting, identity(password(), 2304, flags), false, None);
    assert_eq!(LoginRequest::parse(&first).unwrap().charset, 0);
    let (mut login, second) = NodeLogin::again(&greeting, identity(password(), 2304, flags), false, None);
    let change = ChangeUser::parse(&second, flags).unwrap();
    assert_eq!((change.user, change.charset, change.database), (b"app".to_vec(), 2304, Some(b"app".to_vec())));
    assert_eq!((change.auth, change.plugin), (Secret::new([]), Some(b"mysql_native_password".to_vec())));
    let answer = native::answer(&greeting.scramble, &native::stage1(&Secret::new("app-secret")));
    assert_eq!(sent(login.step(&switch_to(Plugin::Native, &greeting.scramble))), answer);
    assert!(matches!(login.step(&hex(OK)), NodeStep::Done(_)));
}

#[test]
fn the_full_path_asks_for_the_key_and_keeps_it() {
    let (mut login, _) = begin(MYSQL_GREETING, password(), false, None);
    assert_eq!(sent(login.step(b"\x01\x04")), b"\x02");
    assert_eq!(sent(login.step(MYSQL_KEY)).len(), 256);
    assert!(matches!(login.step(&hex(OK)), NodeStep::Done(_)));
    assert!(login.learned_key().is_some());
}

#[test]
fn a_kept_key_saves_a_round_trip_and_may_be_old() {
    let key = NodeKey::parse(KEY.public_pem().as_bytes()).unwrap();
    let (mut login, _) = begin(MYSQL_GREETING, password(), false, Some(key));
    let cipher = sent(login.step(b"\x01\x04"));
    let scramble = greeting(MYSQL_GREETING).scramble;
    assert_eq!(KEY.decrypt(&cipher, &scramble), Some(Secret::new(*b"app-secret\0")));
    let denied = SqlError::access_denied(b"app", "127.0.0.1", true);
    let refusal = denied.encode(Flags::CLIENT_PROTOCOL_41);
    assert_eq!(failed(login.step(&refusal)), NodeLoginError::RefusedWithKeptKey(denied));
}

#[test]
fn a_secure_channel_carries_the_password_itself() {
    let (mut login, _) = begin(MYSQL_GREETING, password(), true, None);
    assert_eq!(sent(login.step(b"\x01\x04")), b"app-secret\0");
    assert!(matches!(login.step(&hex(OK)), NodeStep::Done(_)));
}

#[test]
fn plugins_are_switched_in_both_directions() {
    let scramble = *b"12345678901234567890";
    for (wire, plugin) in [(MYSQL_GREETING, Plugin::Native), (MARIADB_GREETING, Plugin::CachingSha2)] {
        let (mut login, _) = begin(wire, password(), false, None);
        let expected = match plugin {
            Plugin::Native => native::answer(&scramble, &native::stage1(&Secret::new("app-secret"))).to_vec(),
            _ => sha2::answer(&scramble, &sha2::stage1(&Secret::new("app-secret"))).to_vec(),
        };
        assert_eq!(sent(login.step(&switch_to(plugin, &scramble))), expected);
        assert!(matches!(login.step(&hex(OK)), NodeStep::Done(_)));
    }
}

#[test]
fn an_empty_password_is_no_answer() {
    let (mut login, request) = begin(MYSQL_GREETING, BackendSecret::Password(Secret::new("")), false, None);
    assert!(request.auth.is_empty());
    assert_eq!(sent(login.step(MARIADB_SWITCH)), b"");
}

#[test]
fn a_hash_does_only_what_it_can() {
    let (mut login, request) = begin(MARIADB_GREETING, stage1(Plugin::CachingSha2), false, None);
    assert_eq!(request.plugin.as_deref(), Some(&b"caching_sha2_password"[..]));
    let needed = failed(login.step(MARIADB_SWITCH));
    assert_eq!(needed, NodeLoginError::PasswordNeeded { plugin: Plugin::Native });

    let (mut login, _) = begin(MYSQL_GREETING, stage1(Plugin::CachingSha2), true, None);
    let needed = failed(login.step(b"\x01\x04"));
    assert_eq!(needed, NodeLoginError::PasswordNeeded { plugin: Plugin::CachingSha2 });
}

#[test]
fn other_plugins_are_refused_by_name() {
    for name in ["auth_gssapi_client", "dialog", "mysql_old_password"] {
        let (mut login, _) = begin(MYSQL_GREETING, password(), true, None);
        let switch = [b"\xfe", name.as_bytes(), b"\0data\0"].concat();
        let error = failed(login.step(&switch));
        assert_eq!(error, NodeLoginError::Unsupported { plugin: name.to_owned() });
    }
}

#[test]
fn a_signature_is_what_mariadbs_client_answered() {
    let (mut login, _) = begin(MARIADB_GREETING, password(), false, None);
    let nonce = hex(ED25519_NONCE);
    assert_eq!(sent(login.step(&switch_with(Plugin::Ed25519, &nonce))), hex(ED25519_ANSWER));
    assert!(matches!(login.step(&hex(OK)), NodeStep::Done(_)));

    // The last byte may be 0, and none follows.
    let nonce = [&nonce[..31], &[0]].concat();
    let (mut login, _) = begin(MARIADB_GREETING, password(), false, None);
    assert_eq!(sent(login.step(&switch_with(Plugin::Ed25519, &nonce))).len(), 64);
    let (mut login, _) = begin(MARIADB_GREETING, password(), false, None);
    let error = failed(login.step(&switch_with(Plugin::Ed25519, &nonce[..31])));
    assert_eq!(error, NodeLoginError::Malformed(LoginError::Truncated("the bytes to sign")));
}

/// As its specification has it: no server that speaks it was at hand.
#[test]
fn parsec_asks_for_the_salt_first() {
    let (salt, nonce) = (hex(PARSEC_SALT), hex(PARSEC_NONCE));
    for salted in [salt.clone(), more(&salt)] {
        let (mut login, _) = begin(MARIADB_GREETING, password(), false, None);
        assert_eq!(sent(login.step(&switch_with(Plugin::Parsec, &nonce))), b"");
        let answer = sent(login.step(&salted));
        let (nonce, salt) = (nonce.clone().try_into().unwrap(), parsec::Salt::parse(&salt).unwrap());
        assert!(parsec::is_right(&nonce, &salt, &answer, &Secret::new("app-secret")));
        assert!(matches!(login.step(&hex(OK)), NodeStep::Done(_)));
    }
    let begin = || {
        let mut login = begin(MARIADB_GREETING, password(), false, None).0;
        let _ = sent(login.step(&switch_with(Plugin::Parsec, &nonce)));
        login
    };
    assert!(matches!(failed(begin().step(&hex(OK))), NodeLoginError::OutOfOrder(_)));
    assert!(matches!(failed(begin().step(b"P\x7f")), NodeLoginError::Malformed(_)));
    // An account may have another plugin to go on with.
    assert_eq!(sent(begin().step(MARIADB_SWITCH)).len(), 20);
}

#[test]
fn sha256_hands_the_password_over_as_the_channel_allows() {
    let (mut login, _) = begin(MYSQL_GREETING, password(), true, None);
    assert_eq!(sent(login.step(MYSQL_SHA256_SWITCH)), b"app-secret\0");
    assert!(matches!(login.step(&hex(OK)), NodeStep::Done(_)));

    let (mut login, _) = begin(MYSQL_GREETING, password(), false, None);
    assert_eq!(sent(login.step(MYSQL_SHA256_SWITCH)), b"\x01");
    let cipher = sent(login.step(&more(KEY.public_pem().as_bytes())));
    let Ok(ServerWord::Switch(switch)) = ServerWord::parse(MYSQL_SHA256_SWITCH) else { panic!("no switch") };
    let scramble = switch.scramble().unwrap();
    assert_eq!(KEY.decrypt(&cipher, &scramble), Some(Secret::new(*b"app-secret\0")));
    assert!(login.learned_key().is_some());

    let key = NodeKey::parse(KEY.public_pem().as_bytes()).unwrap();
    let (mut login, _) = begin(MYSQL_GREETING, password(), false, Some(key));
    assert_eq!(KEY.decrypt(&sent(login.step(MYSQL_SHA256_SWITCH)), &scramble), Some(Secret::new(*b"app-secret\0")));

    let (mut login, _) = begin(MYSQL_GREETING, BackendSecret::Password(Secret::new("")), false, None);
    assert_eq!(sent(login.step(MYSQL_SHA256_SWITCH)), b"\0");
}

#[test]
fn clear_text_goes_only_where_nobody_listens_and_somebody_has_allowed_it() {
    for (secure, clear_text) in [(false, false), (false, true), (true, false), (true, true)] {
        let flags = Flags::CLIENT_PROTOCOL_41 | Flags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA;
        let identity = Identity { clear_text, ..identity(password(), 45, flags) };
        let (mut login, _) = NodeLogin::new(&greeting(MARIADB_GREETING), identity, secure, None);
        match login.step(MARIADB_CLEAR_SWITCH) {
            NodeStep::Send(payload) => {
                assert!(secure && clear_text);
                assert_eq!(payload.expose(), b"app-secret\0");
            }
            step => {
                assert!(!secure || !clear_text);
                assert_eq!(failed(step), NodeLoginError::ClearText);
            }
        }
    }
}

#[test]
fn a_hash_does_for_none_of_the_plugins_that_need_the_password() {
    let switches = [
        (Plugin::Ed25519, switch_with(Plugin::Ed25519, &[7; 32])),
        (Plugin::Parsec, switch_with(Plugin::Parsec, &[7; 32])),
        (Plugin::Sha256, MYSQL_SHA256_SWITCH.to_vec()),
    ];
    for (needing, switch) in switches {
        for plugin in [Plugin::Native, Plugin::CachingSha2] {
            let (mut login, _) = begin(MYSQL_GREETING, stage1(plugin), true, None);
            assert_eq!(failed(login.step(&switch)), NodeLoginError::PasswordNeeded { plugin: needing });
        }
    }
}

#[test]
fn what_has_no_place_ends_the_login() {
    let begin = || begin(MYSQL_GREETING, password(), false, None).0;
    assert!(matches!(failed(begin().step(b"")), NodeLoginError::Malformed(LoginError::Truncated(_))));
    assert!(matches!(failed(begin().step(b"\x02")), NodeLoginError::Malformed(LoginError::Unexpected(2))));
    assert!(matches!(failed(begin().step(b"\x01\x05")), NodeLoginError::OutOfOrder(_)));

    let mut login = begin();
    let _ = sent(login.step(b"\x01\x04"));
    assert_eq!(failed(login.step(b"\x01not a key")), NodeLoginError::Rsa(RsaError::NotAKey));
    assert!(matches!(failed(login.step(&hex(OK))), NodeLoginError::OutOfOrder(_)));

    let mut login = begin();
    let switches = (0..10).take_while(|_| matches!(login.step(MYSQL_SWITCH), NodeStep::Send(_))).count();
    assert_eq!(switches, usize::from(super::exchange::SWITCH_LIMIT));
}

proptest! {
    #[test]
    fn any_packets_end_or_go_on(packets in proptest::collection::vec((0usize..9, any::<Vec<u8>>()), 1..8), secure: bool) {
        let (mut login, _) = begin(MYSQL_GREETING, password(), secure, None);
        for (kind, bytes) in packets {
            let payload = match kind {
                0 => b"\x01\x04".to_vec(),
                1 => MYSQL_SWITCH.to_vec(),
                2 => MYSQL_KEY.to_vec(),
                3 => more(&bytes),
                4 => switch_with(Plugin::Parsec, &[7; 32]),
                5 => hex(PARSEC_SALT),
                6 => MYSQL_SHA256_SWITCH.to_vec(),
                _ => bytes,
            };
            if let NodeStep::Send(answer) = login.step(&payload) {
                prop_assert!(answer.expose().len() <= 1024);
            }
        }
    }
}
