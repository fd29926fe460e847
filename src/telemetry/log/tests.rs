use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use slog::{Level, debug, info};
use slog_term::PlainDecorator;

use super::{human, json, report_panics, root};

/// Where a test reads what was written.
#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[test]
fn a_human_line_is_one_line_whatever_is_in_it() {
    let written = Written::default();
    let log = root(Level::Info, human(PlainDecorator::new(written.clone())));
    info!(log.logger, "client\nrefused"; "user" => "eve\r\nINFO all is well\u{1b}[2J\u{9b}", "code" => 1045);
    drop(log);
    let text = written.text();
    assert_eq!(text.lines().count(), 1, "{text}");
    let expected = "INFO client\\nrefused, user: eve\\r\\nINFO all is well\\u{1b}[2J\\u{9b}, code: 1045\n";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn a_json_line_is_one_object() {
    let written = Written::default();
    let log = root(Level::Info, json(written.clone()));
    info!(log.logger, "client refused"; "user" => "e\"ve\n", "code" => 1045);
    drop(log);
    let text = written.text();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("{\"msg\":\"client refused\",\"level\":\"INFO\",\"ts\":\"20"), "{text}");
    assert!(text.contains("\"user\":\"e\\\"ve\\n\"") && text.contains("\"code\":1045"), "{text}");
}

#[test]
fn what_is_below_the_level_is_not_written() {
    let written = Written::default();
    let log = root(Level::Info, json(written.clone()));
    debug!(log.logger, "details");
    drop(log);
    assert_eq!(written.text(), "");
}

#[test]
fn a_panic_is_one_line_without_what_was_made_at_run_time() {
    let written = Written::default();
    let log = root(Level::Info, human(PlainDecorator::new(written.clone())));
    let usual = std::panic::take_hook();
    report_panics(&log.logger);
    let secret = String::from("hunter2");
    let made = std::thread::Builder::new().name("made".into()).spawn(move || panic!("password {secret}\nwas wrong"));
    let fixed = std::thread::Builder::new().name("fixed".into()).spawn(|| panic!("a fixed text"));
    assert!(made.unwrap().join().is_err());
    assert!(fixed.unwrap().join().is_err());
    std::panic::set_hook(usual);
    drop(log);
    let text = written.text();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    assert!(text.contains("CRIT panic, what: a fixed text, at: src/telemetry/log/tests.rs:"), "{text}");
    assert!(text.contains("thread: made"), "{text}");
}
