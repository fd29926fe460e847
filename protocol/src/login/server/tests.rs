use std::sync::Arc;

use proptest::prelude::*;

use super::{Answer, ClientLogin, Known, Proof, Step, Terms};
use crate::{
    error::SqlError,
    login::{
        decoy::Decoys,
        plugin::Plugin,
        request::LoginRequest,
        rsa::{NodeKey, tests::KEY},
        scramble::{Scramble, native, sha2},
        signature::{Nonce, ed25519, parsec},
        switch::{more, switch_to, switch_with},
        tests::greeting,
        wires::*,
    },
    secret::Secret,
};

const FRESH: Scramble = *b"abcdefghijklmnopqrst";
const NONCE: Nonce = *b"0123456789abcdefghijklmnopqrstuv";
const SALT: [u8; parsec::SALT_LENGTH] = [7; parsec::SALT_LENGTH];

fn secret() -> Secret {
    Secret::new("app-secret")
}

fn nobody() -> Known {
    Decoys::new().unwrap().known(b"nobody", &[])
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
        nonce: NONCE,
        salt: parsec::Salt::new(SALT),
        rsa: Some(Arc::clone(&KEY)),
        password_wanted: false,
        renew: false,
    }
}

/// The scramble of the greeting that [`terms`] are for, which a switch at a login repeats.
fn first(offered: Plugin) -> Scramble {
    terms(Known::Learn, offered, false).scramble
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
        _ => sha2::answer(scramble, &sha2::stage1(&password)).into(),
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
        for known in [Known::Password(secret()), nobody()] {
            let (mut login, step) = begin(terms(known.clone(), plugin, false), plugin, "wrong");
            assert_eq!(step, REFUSED);
            assert_eq!(login.step(b"again"), Step::Fail(SqlError::out_of_order()));
            let (_, step) = begin(terms(known, plugin, false), plugin, "");
            assert_eq!(step, Step::Refuse { using_password: false });
        }
    }
    assert_eq!(recorded(nobody(), Plugin::CachingSha2, false).1, REFUSED);
    assert_eq!(begin(terms(sha2_hash(), Plugin::CachingSha2, true), Plugin::CachingSha2, "wrong").1, REFUSED);
    assert_eq!(begin(terms(native_hash(), Plugin::Native, true), Plugin::Native, "wrong").1, REFUSED);
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
    assert_eq!(step, Step::Send(switch_to(Plugin::CachingSha2, &first(Plugin::Native))));
    let step = login.step(&answer(Plugin::CachingSha2, &first(Plugin::Native), "app-secret"));
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
        assert_eq!(step, Step::Send(switch_to(needed, &first(offered))));
        let step = login.step(&answer(needed, &first(offered), "app-secret"));
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
    for (plugin, auth) in [("dialog", &b"x"[..]), ("caching_sha2_password", b"")] {
        let answer = Answer { plugin: Some(plugin.as_bytes()), auth };
        let offered = if auth.is_empty() { Plugin::Native } else { Plugin::CachingSha2 };
        let (mut login, step) = ClientLogin::begin(terms(known(), offered, false), answer);
        assert_eq!(step, Step::Send(switch_to(Plugin::CachingSha2, &first(offered))));
        let step = login.step(&self::answer(Plugin::CachingSha2, &first(offered), "app-secret"));
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

/// A client that names a plugin and sends this along.
fn named(known: Known, plugin: Plugin, auth: &[u8], secure: bool) -> (ClientLogin, Step) {
    let answer = Answer { plugin: Some(plugin.name().as_bytes()), auth };
    ClientLogin::begin(terms(known, Plugin::CachingSha2, secure), answer)
}

#[test]
fn a_signature_is_asked_for_anew_and_judged() {
    for auth in [&b""[..], &[7; 64]] {
        for (password, right) in [("app-secret", true), ("wrong", false)] {
            let (mut login, step) = named(Known::Password(secret()), Plugin::Ed25519, auth, false);
            assert_eq!(step, Step::Send(switch_with(Plugin::Ed25519, &NONCE)));
            let step = login.step(&ed25519::answer(&NONCE, &Secret::new(password)));
            assert_eq!(step, if right { accepted(Proof::Password(secret())) } else { REFUSED });
        }
        let (mut login, _) = named(nobody(), Plugin::Ed25519, auth, false);
        assert_eq!(login.step(&ed25519::answer(&NONCE, &secret())), REFUSED);
    }
}

#[test]
fn parsec_gives_the_salt_and_judges() {
    let salt = parsec::Salt::new(SALT);
    for (password, right) in [("app-secret", true), ("wrong", false)] {
        let (mut login, step) = named(Known::Password(secret()), Plugin::Parsec, b"", false);
        assert_eq!(step, Step::Send(switch_with(Plugin::Parsec, &NONCE)));
        assert_eq!(login.step(b""), Step::Send(salt.encode()));
        let step = login.step(&parsec::answer(&NONCE, &salt, &Secret::new(password)).unwrap());
        assert_eq!(step, if right { accepted(Proof::Password(secret())) } else { REFUSED });
    }
    let (mut login, _) = named(nobody(), Plugin::Parsec, b"", false);
    assert_eq!(login.step(b""), Step::Send(salt.encode()));
    assert_eq!(login.step(&[7; 96]), REFUSED);
}

#[test]
fn sha256_hands_over_what_every_kind_of_credential_is_proven_by() {
    let proof = |known: &Known| match known {
        Known::Learn => accepted(Proof::Learned(secret())),
        _ => accepted(Proof::Password(secret())),
    };
    let switch = || Step::Send(switch_to(Plugin::Sha256, &first(Plugin::CachingSha2)));
    let all = [Known::Password(secret()), Known::Remembered(secret()), Known::Learn, native_hash(), sha2_hash()];
    for known in all {
        let (mut login, step) = named(known.clone(), Plugin::Sha256, b"\x01", false);
        assert_eq!(step, switch());
        assert_eq!(login.step(b"\x01"), Step::Send(more(KEY.public_pem().as_bytes())));
        let key = NodeKey::parse(KEY.public_pem().as_bytes()).unwrap();
        assert_eq!(login.step(&key.encrypt(&secret(), &first(Plugin::CachingSha2)).unwrap()), proof(&known));

        let (mut login, step) = named(known.clone(), Plugin::Sha256, b"app-secret\0", true);
        assert_eq!(step, switch());
        assert_eq!(login.step(b"app-secret\0"), proof(&known));

        // In clear where somebody listens it is no password.
        let (mut login, _) = named(known.clone(), Plugin::Sha256, b"", false);
        assert_eq!(login.step(b"app-secret\0"), REFUSED);
        if !matches!(known, Known::Learn | Known::Remembered(_)) {
            let (mut login, _) = named(known.clone(), Plugin::Sha256, b"", true);
            assert_eq!(login.step(b"wrong\0"), REFUSED);
            let (mut login, _) = named(known, Plugin::Sha256, b"", true);
            assert_eq!(login.step(b"\0"), Step::Refuse { using_password: false });
        }
    }
}

#[test]
fn clear_text_is_taken_where_nobody_listens_and_never_asked_for_elsewhere() {
    for known in [Known::Password(secret()), Known::Learn, native_hash(), sha2_hash()] {
        let (mut login, step) = named(known.clone(), Plugin::Clear, b"app-secret\0", true);
        assert_eq!(step, Step::Send(switch_with(Plugin::Clear, b"")));
        assert!(matches!(login.step(b"app-secret\0"), Step::Accept { .. }));
        let (_, step) = named(known.clone(), Plugin::Clear, b"app-secret\0", false);
        let needed = if matches!(known, Known::Native(_)) { Plugin::Native } else { Plugin::CachingSha2 };
        assert_eq!(step, Step::Send(switch_to(needed, &first(Plugin::CachingSha2))));
    }
}

/// A signature brings no password: who may have another by now is asked for it.
#[test]
fn a_remembered_password_is_not_judged_by_signatures() {
    for plugin in [Plugin::Ed25519, Plugin::Parsec] {
        for known in [Known::Remembered(Secret::new("old")), Known::Learn] {
            let (mut login, step) = named(known, plugin, b"", false);
            assert_eq!(step, Step::Send(switch_to(Plugin::CachingSha2, &first(Plugin::CachingSha2))));
            let step = login.step(&answer(Plugin::CachingSha2, &first(Plugin::CachingSha2), "app-secret"));
            assert_eq!(step, Step::Send(FULL.into()));
            assert_eq!(encrypted(&mut login, "app-secret"), accepted(Proof::Learned(secret())));
        }
    }
}

#[test]
fn a_changed_user_signs_and_hands_over_as_at_a_login() {
    let renewed = |plugin: Plugin| {
        let terms = Terms { renew: true, ..terms(Known::Password(secret()), Plugin::Native, true) };
        ClientLogin::begin(terms, Answer { plugin: Some(plugin.name().as_bytes()), auth: b"" })
    };
    let (mut login, step) = renewed(Plugin::Ed25519);
    assert_eq!(step, Step::Send(switch_with(Plugin::Ed25519, &NONCE)));
    assert_eq!(login.step(&ed25519::answer(&NONCE, &secret())), accepted(Proof::Password(secret())));
    let (mut login, step) = renewed(Plugin::Sha256);
    assert_eq!(step, Step::Send(switch_to(Plugin::Sha256, &FRESH)));
    assert_eq!(login.step(b"app-secret\0"), accepted(Proof::Password(secret())));
}

fn knowns() -> impl Strategy<Value = Known> {
    let all = vec![
        Known::Password(secret()),
        native_hash(),
        sha2_hash(),
        Known::Learn,
        Known::Remembered(secret()),
        nobody(),
    ];
    proptest::sample::select(all)
}

proptest! {
    #[test]
    fn no_bytes_are_the_password(
        known in knowns(), secure: bool, renew: bool, offered in 0usize..2, named in 0usize..6,
        first: Vec<u8>, packets in proptest::collection::vec((0usize..4, any::<Vec<u8>>()), 0..6),
    ) {
        let terms = Terms { renew, ..terms(known, Plugin::ALL[offered], secure) };
        let answer = Answer { plugin: Some(Plugin::ALL[named].name().as_bytes()), auth: &first };
        let proven = |step: &Step| matches!(step, Step::Accept { proof, .. } if !matches!(proof, Proof::Learned(_)));
        let (mut login, step) = ClientLogin::begin(terms, answer);
        prop_assert!(!proven(&step));
        for (kind, bytes) in packets {
            let step = match kind {
                0 => login.step(&[if named == 4 { 1 } else { 2 }]),
                1 => login.step(&[0x55; 256]),
                _ => login.step(&bytes),
            };
            prop_assert!(!proven(&step));
            if let Step::Send(payload) = &step { prop_assert!(payload.len() < 1024); }
        }
    }
}
