//! Logins of clients: nobody gets in without the password, whatever he sends; the exchange ends, and stays ended.

use std::sync::{Arc, LazyLock};

use greenroom_protocol::{
    constants::CapabilityFlags,
    login::{
        change_user::ChangeUser,
        decoy::Decoys,
        plugin::Plugin,
        request::LoginRequest,
        rsa::RsaKey,
        scramble::{native, sha2},
        server::{Answer, ClientLogin, Known, Proof, Step, Terms},
        signature::parsec::Salt,
    },
    secret::Secret,
};

use super::input::Input;

/// One for all runs: making one takes long.
static KEY: LazyLock<Arc<RsaKey>> = LazyLock::new(|| Arc::new(RsaKey::generate().unwrap()));

static DECOYS: LazyLock<Decoys> = LazyLock::new(|| Decoys::new().unwrap());

const SCRAMBLE: &[u8; 20] = b"abcdefghijklmnopqrst";
const FRESH: &[u8; 20] = b"ABCDEFGHIJKLMNOPQRST";

/// More packets than any login has.
const LONGEST: usize = 8;

fn known(which: u8) -> Known {
    let password = Secret::new("app-secret");
    match which % 6 {
        0 => Known::Password(password),
        1 => Known::Native(native::stage2(&native::stage1(&password))),
        2 => Known::Sha2(sha2::stage2(&sha2::stage1(&password))),
        3 => Known::Remembered(password),
        4 => DECOYS.known(b"nobody", &[]),
        _ => Known::Learn,
    }
}

pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let which = input.byte();
    let [secure, native, renew, wanted, keyless, named, other, second] = input.bits();
    let terms = Terms {
        known: known(which),
        secure,
        offered: if native { Plugin::Native } else { Plugin::CachingSha2 },
        scramble: *SCRAMBLE,
        fresh: *FRESH,
        nonce: [7; 32],
        salt: Salt::new([7; 18]),
        rsa: (!keyless).then(|| Arc::clone(&KEY)),
        password_wanted: wanted,
        renew,
    };
    let first = input.chunk();
    let request = read_request(first);
    let (plugin, auth) = match &request {
        Some(request) => (request.plugin.as_deref(), request.auth.expose()),
        None => (named.then_some(named_plugin(terms.offered, other, second).name().as_bytes()), first),
    };
    let guessed = guesses(first) || guesses(input.0);
    let (mut login, mut step) = ClientLogin::begin(terms, Answer { plugin, auth });
    for round in 0.. {
        match &step {
            Step::Send(payload) => assert!(!payload.is_empty() && payload.len() < 2048),
            Step::Accept { proof, .. } => {
                assert!(guessed || may_be_learned(which, proof), "let in: {proof:?}");
                break;
            }
            Step::Refuse { .. } | Step::Fail(_) => break,
        }
        assert!(round < LONGEST, "a login without an end");
        step = login.step(input.chunk());
    }
    for payload in [b"".as_slice(), b"\x02", b"app-secret\0"] {
        assert!(matches!(login.step(payload), Step::Fail(_)), "what has ended stays ended");
    }
}

/// The plugin offered, or one of the four that are not answered from a greeting.
fn named_plugin(offered: Plugin, other: bool, second: bool) -> Plugin {
    match (offered, other, second) {
        (_, false, _) => offered,
        (Plugin::Native, true, false) => Plugin::Ed25519,
        (Plugin::Native, true, true) => Plugin::Parsec,
        (_, true, false) => Plugin::Sha256,
        (_, true, true) => Plugin::Clear,
    }
}

/// What servers shall judge is taken from anybody.
fn may_be_learned(which: u8, proof: &Proof) -> bool {
    matches!(which % 6, 3 | 5) && matches!(proof, Proof::Learned(_))
}

/// The bytes hold the password itself, or an answer that only who knows it can make.
fn guesses(bytes: &[u8]) -> bool {
    let password = Secret::new("app-secret");
    let (one, two) = (native::stage1(&password), sha2::stage1(&password));
    let holds = |answer: &[u8]| bytes.windows(answer.len()).any(|window| window == answer);
    holds(b"app-secret")
        || [SCRAMBLE, FRESH].iter().any(|it| holds(&native::answer(it, &one)) || holds(&sha2::answer(it, &two)))
}

/// Reads it as either kind of request; what was read is read again from what it encodes to.
fn read_request(payload: &[u8]) -> Option<LoginRequest> {
    if let Ok(change) = ChangeUser::parse(payload, CapabilityFlags::all()) {
        assert!(change.user.len() + change.auth.expose().len() <= payload.len());
        let agreed = CapabilityFlags::all();
        assert_eq!(ChangeUser::parse(&change.encode(agreed), agreed), Ok(change));
    }
    let request = LoginRequest::parse(payload).ok()?;
    assert!(request.attributes.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() <= payload.len());
    // Ours have short answers, whatever the length before them can say.
    let again = LoginRequest::parse(&request.encode());
    if let (Ok(again), true) = (again, request.auth.expose().len() < 0xFB) {
        assert_eq!((&again.user, &again.auth), (&request.user, &request.auth));
        assert_eq!((&again.database, &again.plugin), (&request.database, &request.plugin));
    }
    Some(request)
}
