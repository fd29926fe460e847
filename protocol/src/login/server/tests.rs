use std::sync::Arc;

use proptest::prelude::*;

use super::{Answer, ClientLogin, Known, Proof, Step, Terms};
use crate::{
    error::SqlError,
    login::{
        plugin::Plugin,
        request::LoginRequest,
        rsa::{NodeKey, tests::KEY},
        scramble::{Scramble, native, sha2},
        switch::{more, switch_to},
        tests::greeting,
        wires::*,
    },
    secret::Secret,
};

const FRESH: Scramble = *b"abcdefghijklmnopqrst";

fn secret() -> Secret {
    Secret::new("app-secret")
}

fn native_hash() -> Known {
    Known::Native(native::stage2(&native::stage1(&secret())))
}

fn sha2_hash() -> Known {
    Known::Sha2(sha2::stage2(&sha2::stage1(&secret())))
}

fn terms(known: Known, offered: Plugin, secure: bool) -> Terms {
    let wire = if offered == Plugin::Native { MARIADB_GREETING } else { MYSQL_GREETING };
    Terms {
        known,
        secure,
        offered,
        scramble: greeting(wire).scramble,
        fresh: FRESH,
        rsa: Some(Arc::clone(&KEY)),
        password_wanted: false,
        renew: false,
    }
}

/// A recorded client's answer to the recorded greeting of its own server.
fn recorded(known: Known, offered: Plugin, secure: bool) -> (ClientLogin, Step) {
    let wire = if offered == Plugin::Native { MARIADB_REQUEST } else { MYSQL_REQUEST };
    let request = LoginRequest::parse(&hex(wire)).unwrap();
    let answer = Answer { plugin: request.plugin.as_deref(), auth: request.auth.expose() };
    ClientLogin::begin(terms(known, offered, secure), answer)
}

/// A client that answers as `plugin` would with this password.
fn begin(terms: Terms, plugin: Plugin, password: &str) -> (ClientLogin, Step) {
    let auth = answer(plugin, &terms.scramble, password);
    ClientLogin::begin(terms, Answer { plugin: Some(plugin.name().as_bytes()), auth: &auth })
}

fn answer(plugin: Plugin, scramble: &Scramble, password: &str) -> Vec<u8> {
    let password = Secret::new(password);
    match plugin {
        _ if password.is_empty() => Vec::new(),
        Plugin::Native => native::answer(scramble, &native::stage1(&password)).into(),
        Plugin::CachingSha2 => sha2::answer(scramble, &sha2::stage1(&password)).into(),
    }
}

/// The full path of a client on a channel without TLS.
fn encrypted(login: &mut ClientLogin, password: &str) -> Step {
    assert_eq!(login.step(b"\x02"), Step::Send(more(KEY.public_pem().as_bytes())));
    let key = NodeKey::parse(KEY.public_pem().as_bytes()).unwrap();
    let cipher = key.encrypt(&Secret::new(password), login.scramble()).unwrap();
    login.step(&cipher)
}

fn accepted(proof: Proof) -> Step {
    Step::Accept { prelude: None, proof }
}

fn fast(proof: Proof) -> Step {
    Step::Accept { prelude: Some(b"\x01\x03".to_vec()), proof }
}

const REFUSED: Step = Step::Refuse { using_password: true };
const FULL: &[u8] = b"\x01\x04";

#[test]
fn real_clients_are_accepted_at_once() {
    let password = || Proof::Password(secret());
    for known in [Known::Password(secret()), Known::Remembered(secret())] {
        assert_eq!(recorded(known.clone(), Plugin::CachingSha2, false).1, fast(password()));
        assert_eq!(recorded(known, Plugin::Native, false).1, accepted(password()));
    }
    let stage1 = Proof::Sha2Stage1(sha2::stage1(&secret()));
    assert_eq!(recorded(sha2_hash(), Plugin::CachingSha2, false).1, fast(stage1));
    let stage1 = Proof::NativeStage1(native::stage1(&secret()));
    assert_eq!(recorded(native_hash(), Plugin::Native, false).1, accepted(stage1));
}

#[test]
fn wrong_passwords_and_nobody_are_answered_alike() {
    for plugin in [Plugin::Native, Plugin::CachingSha2] {
        for known in [Known::Password(secret()), Known::Nobody] {
            let (mut login, step) = begin(terms(known.clone(), plugin, false), plugin, "wrong");
            assert_eq!(step, REFUSED);
            assert_eq!(login.step(b"again"), Step::Fail(SqlError::out_of_order()));
            let (_, step) = begin(terms(known, plugin, false), plugin, "");
            assert_eq!(step, Step::Refuse { using_password: false });
        }
    }
    assert_eq!(recorded(Known::Nobody, Plugin::CachingSha2, false).1, REFUSED);
    assert_eq!(begin(terms(sha2_hash(), Plugin::CachingSha2, true), Plugin::CachingSha2, "wrong").1, REFUSED);
    assert_eq!(begin(terms(native_hash(), Plugin::Native, true), Plugin::Native, "wrong").1, REFUSED);
}

/// Whoever guesses what stands in for nobody's password is nobody still.
#[test]
fn nobody_has_no_password() {
    let decoy: Vec<u8> = FRESH.iter().map(|byte| byte ^ 0x5a).collect();
    for plugin in [Plugin::Native, Plugin::CachingSha2] {
        let decoy = std::str::from_utf8(&decoy).unwrap();
        assert_eq!(begin(terms(Known::Nobody, plugin, false), plugin, decoy).1, REFUSED);
    }
}

#[test]
fn a_password_is_learned_by_rsa_or_on_a_secure_channel() {
    let learned = || accepted(Proof::Learned(secret()));
    let (mut login, step) = recorded(Known::Learn, Plugin::CachingSha2, false);
    assert_eq!(step, Step::Send(FULL.into()));
    assert_eq!(encrypted(&mut login, "app-secret"), learned());

    let (mut login, step) = recorded(Known::Learn, Plugin::CachingSha2, true);
    assert_eq!(step, Step::Send(FULL.into()));
    assert_eq!(login.step(b"app-secret\0"), learned());

    // A client that does not trust its channel as much as we do.
    let (mut login, _) = recorded(Known::Learn, Plugin::CachingSha2, true);
    assert_eq!(encrypted(&mut login, "app-secret"), learned());
}

#[test]
fn nothing_is_taken_in_clear_where_others_can_listen() {
    let (mut login, _) = recorded(Known::Learn, Plugin::CachingSha2, false);
    assert_eq!(login.step(b"app-secret\0"), REFUSED);
    let terms = Terms { rsa: None, ..terms(Known::Learn, Plugin::CachingSha2, false) };
    let (_, step) = begin(terms, Plugin::CachingSha2, "app-secret");
    assert!(matches!(step, Step::Fail(error) if error.code == 1045 && error.message.contains("TLS")));
}

#[test]
fn odd_passwords_are_refused() {
    for odd in [&b"no end"[..], b"", b"two\0ends\0", &[b"x".repeat(257), vec![0]].concat()] {
        let (mut login, _) = recorded(Known::Learn, Plugin::CachingSha2, true);
        assert_eq!(login.step(odd), REFUSED);
    }
}

#[test]
fn a_remembered_password_may_have_changed() {
    let known = || Known::Remembered(Secret::new("old"));
    let (mut login, step) = recorded(known(), Plugin::CachingSha2, false);
    assert_eq!(step, Step::Send(FULL.into()));
    assert_eq!(encrypted(&mut login, "app-secret"), accepted(Proof::Learned(secret())));

    let (mut login, step) = recorded(known(), Plugin::Native, true);
    assert_eq!(step, Step::Send(switch_to(Plugin::CachingSha2, &FRESH)));
    let step = login.step(&answer(Plugin::CachingSha2, &FRESH, "app-secret"));
    assert_eq!(step, Step::Send(FULL.into()));
    assert_eq!(login.step(b"old\0"), accepted(Proof::Password(Secret::new("old"))));
}

#[test]
fn clients_are_switched_to_what_the_credential_needs() {
    let cases = [
        (native_hash(), Plugin::CachingSha2, Plugin::Native),
        (sha2_hash(), Plugin::Native, Plugin::CachingSha2),
        (Known::Learn, Plugin::Native, Plugin::CachingSha2),
    ];
    for (known, offered, needed) in cases {
        let (mut login, step) = recorded(known.clone(), offered, false);
        assert_eq!(step, Step::Send(switch_to(needed, &FRESH)));
        let step = login.step(&answer(needed, &FRESH, "app-secret"));
        match known {
            Known::Learn => assert_eq!(step, Step::Send(FULL.into())),
            _ => assert!(matches!(step, Step::Accept { .. })),
        }
    }
}

#[test]
fn a_hash_is_proven_by_the_password_too() {
    let (mut login, step) = recorded(native_hash(), Plugin::CachingSha2, true);
    assert_eq!(step, Step::Send(FULL.into()));
    assert_eq!(login.step(b"app-secret\0"), accepted(Proof::Password(secret())));

    let wanted = || Terms { password_wanted: true, ..terms(sha2_hash(), Plugin::CachingSha2, false) };
    let (mut login, step) = begin(wanted(), Plugin::CachingSha2, "app-secret");
    assert_eq!(step, Step::Send(FULL.into()));
    assert_eq!(encrypted(&mut login, "app-secret"), accepted(Proof::Password(secret())));
    let (mut login, _) = begin(wanted(), Plugin::CachingSha2, "app-secret");
    assert_eq!(encrypted(&mut login, "another"), REFUSED);
}

#[test]
fn an_unknown_plugin_or_an_empty_answer_of_another_is_asked_again() {
    let known = || Known::Password(secret());
    for (plugin, auth) in [("client_ed25519", &b"x"[..]), ("caching_sha2_password", b"")] {
        let answer = Answer { plugin: Some(plugin.as_bytes()), auth };
        let offered = if auth.is_empty() { Plugin::Native } else { Plugin::CachingSha2 };
        let (mut login, step) = ClientLogin::begin(terms(known(), offered, false), answer);
        assert_eq!(step, Step::Send(switch_to(Plugin::CachingSha2, &FRESH)));
        let step = login.step(&self::answer(Plugin::CachingSha2, &FRESH, "app-secret"));
        assert_eq!(step, fast(Proof::Password(secret())));
    }
}

#[test]
fn a_changed_user_is_challenged_anew() {
    let terms = Terms { renew: true, ..terms(Known::Password(secret()), Plugin::CachingSha2, false) };
    let (mut login, step) = begin(terms, Plugin::CachingSha2, "app-secret");
    assert_eq!(step, Step::Send(switch_to(Plugin::CachingSha2, &FRESH)));
    assert_eq!(*login.scramble(), FRESH);
    let step = login.step(&answer(Plugin::CachingSha2, &FRESH, "app-secret"));
    assert_eq!(step, fast(Proof::Password(secret())));
}

#[test]
fn a_changed_user_is_challenged_by_the_scramble_that_its_native_plugin_has() {
    let terms = Terms { renew: true, ..terms(Known::Password(secret()), Plugin::Native, false) };
    let scramble = terms.scramble;
    let (mut login, step) = begin(terms, Plugin::Native, "app-secret");
    assert_eq!(step, Step::Send(switch_to(Plugin::Native, &scramble)));
    assert_eq!(login.step(&answer(Plugin::Native, &scramble, "app-secret")), accepted(Proof::Password(secret())));
}

#[test]
fn a_client_without_plugins_has_the_native_one_only() {
    let auth = answer(Plugin::Native, &greeting(MYSQL_GREETING).scramble, "app-secret");
    let begin = |known| {
        let answer = Answer { plugin: None, auth: &auth };
        ClientLogin::begin(terms(known, Plugin::CachingSha2, false), answer).1
    };
    assert_eq!(begin(Known::Password(secret())), accepted(Proof::Password(secret())));
    assert_eq!(begin(native_hash()), accepted(Proof::NativeStage1(native::stage1(&secret()))));
    assert_eq!(begin(sha2_hash()), Step::Fail(SqlError::plugin_not_supported()));
    assert_eq!(begin(Known::Learn), Step::Fail(SqlError::plugin_not_supported()));
    assert_eq!(begin(Known::Remembered(Secret::new("old"))), REFUSED);
}

#[test]
fn empty_passwords() {
    let empty = || Secret::new("");
    for (known, proof) in [
        (Known::Password(empty()), Proof::Password(empty())),
        (Known::Remembered(empty()), Proof::Password(empty())),
        (Known::Learn, Proof::Learned(empty())),
    ] {
        for auth in [&b""[..], b"\0"] {
            let answer = Answer { plugin: Some(b"caching_sha2_password"), auth };
            let (_, step) = ClientLogin::begin(terms(known.clone(), Plugin::CachingSha2, false), answer);
            assert_eq!(step, accepted(proof.clone()));
        }
    }
    let (_, step) = begin(terms(Known::Password(empty()), Plugin::Native, false), Plugin::Native, "");
    assert_eq!(step, accepted(Proof::Password(empty())));
}

fn knowns() -> impl Strategy<Value = Known> {
    let all = vec![
        Known::Password(secret()),
        native_hash(),
        sha2_hash(),
        Known::Learn,
        Known::Remembered(secret()),
        Known::Nobody,
    ];
    proptest::sample::select(all)
}

proptest! {
    #[test]
    fn no_bytes_are_the_password(
        known in knowns(), secure: bool, renew: bool, native: bool,
        first: Vec<u8>, packets in proptest::collection::vec((0usize..4, any::<Vec<u8>>()), 0..6),
    ) {
        let plugin = if native { Plugin::Native } else { Plugin::CachingSha2 };
        let terms = Terms { renew, ..terms(known, plugin, secure) };
        let answer = Answer { plugin: Some(plugin.name().as_bytes()), auth: &first };
        let proven = |step: &Step| matches!(step, Step::Accept { proof, .. } if !matches!(proof, Proof::Learned(_)));
        let (mut login, step) = ClientLogin::begin(terms, answer);
        prop_assert!(!proven(&step));
        for (kind, bytes) in packets {
            let step = match kind {
                0 => login.step(b"\x02"),
                1 => login.step(&[0x55; 256]),
                _ => login.step(&bytes),
            };
            prop_assert!(!proven(&step));
            if let Step::Send(payload) = &step { prop_assert!(payload.len() < 1024); }
        }
    }
}
