//! Logins to servers: the password never goes out in clear where somebody may listen, whatever the server says; the
//! exchange ends, and stays ended.

use greenroom_protocol::{
    capability::{self, Capabilities},
    login::{
        attributes::Attributes,
        client::{BackendSecret, Identity, NodeLogin, NodeStep},
        greeting::Opening,
        scramble::{native, sha2},
    },
    secret::Secret,
};

use super::input::Input;

const PASSWORD: &str = "a-password-of-some-length";

/// More packets than any login has.
const LONGEST: usize = 16;

pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let [secure, clear_text] = input.bits();
    let password = Secret::new(PASSWORD);
    let secret = match input.byte() % 3 {
        0 => BackendSecret::Password(password),
        1 => BackendSecret::NativeStage1(native::stage1(&password)),
        _ => BackendSecret::Sha2Stage1(sha2::stage1(&password)),
    };
    let greeting = match Opening::parse(input.chunk()) {
        Ok(Opening::Greeting(greeting)) => greeting,
        Ok(Opening::Refused(error)) => return assert!(error.message.len() <= 3 * 512),
        Err(_) => return,
    };
    // Clients read a scramble as text, so ours have no NUL.
    if !greeting.scramble.contains(&0) {
        let again = Opening::parse(&greeting.encode());
        assert!(matches!(again, Ok(Opening::Greeting(again)) if again.scramble == greeting.scramble));
    }
    let identity = Identity {
        user: b"app".to_vec(),
        secret,
        database: None,
        charset: 45,
        capabilities: capability::backend(greeting.capabilities, Capabilities::NONE),
        attributes: Attributes::default(),
        clear_text,
    };
    let (mut login, request) = NodeLogin::new(&greeting, identity, secure, None);
    assert!(!shows(&request));
    for round in 0.. {
        match login.step(input.chunk()) {
            NodeStep::Send(payload) => assert!(secure || !shows(payload.expose()), "the password in clear"),
            NodeStep::Wait => {}
            NodeStep::Done(_) | NodeStep::Failed(_) => break,
        }
        assert!(round < LONGEST, "a login without an end");
    }
    for payload in [b"\0\0\0\x02\0\0\0".as_slice(), b"\xfe", b"\x01\x04", b""] {
        assert!(matches!(login.step(payload), NodeStep::Failed(_)), "what has ended stays ended");
    }
}

fn shows(bytes: &[u8]) -> bool {
    bytes.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes())
}
