//! Colours are for terminals, and for people who have not said that they want none.

use std::net::TcpListener;
use std::process::{Command, Stdio};

const GREENROOM: &str = env!("CARGO_BIN_EXE_greenroom");

/// The log of a start that fails, since its address is taken.
fn log(terminal: bool, no_color: Option<&str>) -> String {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("endpoints.0.listen={}", taken.local_addr().unwrap());
    let mut command = match terminal {
        true => {
            let mut command = Command::new("script");
            command.args(["--quiet", "--return", "--command", &format!("{GREENROOM} --set {listen}"), "/dev/null"]);
            command
        }
        false => {
            let mut command = Command::new(GREENROOM);
            command.args(["--set", &listen]);
            command
        }
    };
    command.env_remove("NO_COLOR").stdin(Stdio::null());
    if let Some(value) = no_color {
        command.env("NO_COLOR", value);
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn only_a_terminal_gets_colours_and_not_with_no_color() {
    for (terminal, no_color, expected) in
        [(true, None, true), (true, Some(""), true), (true, Some("1"), false), (false, None, false)]
    {
        let log = log(terminal, no_color);
        assert!(log.contains("greenroom starts"), "{log}");
        assert_eq!(log.contains('\u{1b}'), expected, "a terminal: {terminal}, NO_COLOR: {no_color:?}\n{log}");
    }
}
