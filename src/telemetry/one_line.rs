//! Keeps an event on its line: a name or text from a peer may hold line breaks and terminal codes.

use std::io;

use slog::{OwnedKVList, Record};
use slog_term::{Decorator, RecordDecorator};

/// Escapes control characters in messages, keys and values.
#[derive(Debug)]
pub(super) struct OneLine<D>(pub(super) D);

/// One event on its way to the terminal.
struct OneEvent<'e> {
    out: &'e mut dyn RecordDecorator,
    escaping: bool,
}

impl<D: Decorator> Decorator for OneLine<D> {
    fn with_record<F>(&self, record: &Record<'_>, values: &OwnedKVList, f: F) -> io::Result<()>
    where
        F: FnOnce(&mut dyn RecordDecorator) -> io::Result<()>,
    {
        self.0.with_record(record, values, |out| f(&mut OneEvent { out, escaping: false }))
    }
}

impl io::Write for OneEvent<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.escaping || !needs_escape(bytes) {
            return self.out.write(bytes);
        }
        for c in String::from_utf8_lossy(bytes).chars() {
            if c.is_control() { write!(self.out, "{}", c.escape_default())? } else { write!(self.out, "{c}")? }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Only what others wrote is escaped; the line's own end comes as whitespace.
impl RecordDecorator for OneEvent<'_> {
    fn reset(&mut self) -> io::Result<()> {
        self.escaping = false;
        self.out.reset()
    }

    fn start_whitespace(&mut self) -> io::Result<()> {
        self.escaping = false;
        self.out.start_whitespace()
    }

    fn start_msg(&mut self) -> io::Result<()> {
        self.escaping = true;
        self.out.start_msg()
    }

    fn start_timestamp(&mut self) -> io::Result<()> {
        self.out.start_timestamp()
    }

    fn start_level(&mut self) -> io::Result<()> {
        self.out.start_level()
    }

    fn start_comma(&mut self) -> io::Result<()> {
        self.out.start_comma()
    }

    fn start_key(&mut self) -> io::Result<()> {
        self.escaping = true;
        self.out.start_key()
    }

    fn start_value(&mut self) -> io::Result<()> {
        self.escaping = true;
        self.out.start_value()
    }

    fn start_location(&mut self) -> io::Result<()> {
        self.out.start_location()
    }

    fn start_separator(&mut self) -> io::Result<()> {
        self.out.start_separator()
    }
}

/// Control characters are below a space, DEL, or in UTF-8 begin with 0xC2.
fn needs_escape(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| *byte < b' ' || *byte == 0x7F || *byte == 0xC2)
}
