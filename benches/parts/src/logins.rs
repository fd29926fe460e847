//! The packets of a login, and judging the client's answer.

use std::hint::black_box;

use greenroom_protocol::capability::{Capabilities, UNDERSTOOD};
use greenroom_protocol::constants::{MariadbCapabilities, StatusFlags};
use greenroom_protocol::login::attributes::Attributes;
use greenroom_protocol::login::greeting::{Greeting, Opening};
use greenroom_protocol::login::plugin::Plugin;
use greenroom_protocol::login::request::LoginRequest;
use greenroom_protocol::login::scramble::{Scramble, native, sha2};
use greenroom_protocol::login::server::{Answer, ClientLogin, Known, Step, Terms};
use greenroom_protocol::login::signature::parsec::Salt;
use greenroom_protocol::secret::Secret;

use crate::Part;

const SCRAMBLE: Scramble = *b"abcdefghijklmnopqrst";
const PASSWORD: &[u8] = b"app-secret";

fn capabilities() -> Capabilities {
    Capabilities { flags: UNDERSTOOD, further: MariadbCapabilities::empty() }
}

fn greeting() -> Greeting {
    Greeting {
        version: "9.7.4".to_owned(),
        thread_id: 0x4000_0001,
        scramble: SCRAMBLE,
        capabilities: capabilities(),
        charset: 45,
        status: StatusFlags::SERVER_STATUS_AUTOCOMMIT,
        plugin: Plugin::CachingSha2.name().to_owned(),
    }
}

/// What a client answers by that plugin.
fn answer(plugin: Plugin) -> Vec<u8> {
    let password = Secret::new(PASSWORD);
    match plugin {
        Plugin::Native => native::answer(&SCRAMBLE, &native::stage1(&password)).to_vec(),
        _ => sha2::answer(&SCRAMBLE, &sha2::stage1(&password)).to_vec(),
    }
}

fn request() -> Vec<u8> {
    let mut attributes = Attributes::default();
    for (name, value) in [("_client_name", "libmysql"), ("_os", "Linux"), ("_pid", "4711"), ("program_name", "app")] {
        attributes.push(name, value);
    }
    let plugin = Plugin::CachingSha2;
    let request = LoginRequest {
        capabilities: capabilities(),
        max_packet: 1 << 24,
        charset: 45,
        user: b"app".to_vec(),
        auth: Secret::new(answer(plugin)),
        database: Some(b"app".to_vec()),
        plugin: Some(plugin.name().into()),
        attributes,
    };
    request.encode()
}

/// Judging a right answer by the password.
fn judge(name: &'static str, plugin: Plugin) -> Part {
    let auth = answer(plugin);
    Part::new(name, move || {
        let terms = Terms {
            known: Known::Password(Secret::new(PASSWORD)),
            secure: false,
            offered: plugin,
            scramble: SCRAMBLE,
            fresh: SCRAMBLE,
            nonce: [0; 32],
            salt: Salt::new([0; 18]),
            rsa: None,
            password_wanted: false,
            renew: false,
        };
        let answer = Answer { plugin: Some(plugin.name().as_bytes()), auth: black_box(&auth) };
        matches!(ClientLogin::begin(terms, answer).1, Step::Accept { .. }).then_some(())
    })
}

pub(crate) fn parts() -> Vec<Part> {
    let (said, written, asked) = (greeting(), greeting().encode(), request());
    vec![
        Part::new("login/write-greeting", move || Some(black_box(&said).encode())),
        Part::new("login/read-greeting", move || Opening::parse(black_box(&written)).ok()),
        Part::new("login/read-request", move || LoginRequest::parse(black_box(&asked)).ok()),
        judge("login/judge-native", Plugin::Native),
        judge("login/judge-sha2", Plugin::CachingSha2),
    ]
}
