//! One value from a layer, read as the type that its key has.

use std::net::SocketAddr;
use std::time::Duration;

use bytesize::ByteSize;
use config::{Value, ValueKind};
use greenroom_actors::settings::Address;
use greenroom_protocol::secret::Secret;

use super::inventory::{Show, Shown};
use super::vault::Vault;

/// As much of a wrong text as an error repeats.
const SHOWN_CHARACTERS: usize = 60;

/// Why a value cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// What is there instead.
    pub(super) what: String,
    /// What should be there.
    pub(super) expected: String,
}

impl Wrong {
    /// Says what a value is not; the value itself is shown.
    pub(super) fn is_not(value: &Value, what: &str, expected: impl Into<String>) -> Self {
        Self { what: format!("{} is not {what}", shown(value)), expected: expected.into() }
    }
}

/// A type that a key may have.
pub(super) trait Read: Sized {
    /// Reads a value; text is accepted for every type, since the environment has nothing else.
    fn read(value: &Value, vault: &Vault) -> Result<Self, Wrong>;
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size(pub(super) usize);

/// Something that `"off"` switches off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OrOff<T>(pub(super) Option<T>);

/// One text of a list, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// The text.
    pub(super) text: String,
    /// Its source, where it has one of its own.
    pub(super) source: Option<String>,
}

impl Read for usize {
    fn read(value: &Value, _: &Vault) -> Result<Self, Wrong> {
        let number = match &value.kind {
            ValueKind::I64(number) => Self::try_from(*number).ok(),
            ValueKind::String(text) => text.trim().replace('_', "").parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| Wrong::is_not(value, "a whole number", "a whole number, 0 or more"))
    }
}

impl Read for bool {
    fn read(value: &Value, _: &Vault) -> Result<Self, Wrong> {
        match &value.kind {
            ValueKind::Boolean(flag) => Ok(*flag),
            ValueKind::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            ValueKind::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(Wrong::is_not(value, "a yes or no", "true or false")),
        }
    }
}

impl Read for String {
    fn read(value: &Value, _: &Vault) -> Result<Self, Wrong> {
        text(value).map(str::to_owned).ok_or_else(|| Wrong::is_not(value, "a text", "a text in quotes"))
    }
}

impl Read for Secret {
    fn read(value: &Value, vault: &Vault) -> Result<Self, Wrong> {
        let unreadable = || Wrong { what: "it is not a text".into(), expected: "a text in quotes".into() };
        vault.find(value).cloned().ok_or_else(unreadable)
    }
}

impl Read for Duration {
    fn read(value: &Value, _: &Vault) -> Result<Self, Wrong> {
        text(value)
            .and_then(|text| humantime::parse_duration(text).ok())
            .ok_or_else(|| Wrong::is_not(value, "a duration", "a number with its unit, as in \"10s\" or \"500ms\""))
    }
}

impl Read for OrOff<Duration> {
    /// Zero is off too: no limit here makes sense at once, and elsewhere 0 commonly means none.
    fn read(value: &Value, vault: &Vault) -> Result<Self, Wrong> {
        if text(value) == Some("off") {
            return Ok(Self(None));
        }
        match Duration::read(value, vault) {
            Ok(limit) => Ok(Self(Some(limit).filter(|limit| !limit.is_zero()))),
            Err(wrong) => Err(Wrong { expected: format!("{}, or \"off\"", wrong.expected), ..wrong }),
        }
    }
}

impl Read for OrOff<usize> {
    fn read(value: &Value, vault: &Vault) -> Result<Self, Wrong> {
        if text(value) == Some("off") {
            return Ok(Self(None));
        }
        let number = usize::read(value, vault).map(|number| Self(Some(number)));
        number.map_err(|wrong| Wrong { expected: "a whole number above 0, or \"off\"".to_owned(), ..wrong })
    }
}

impl Read for OrOff<String> {
    fn read(value: &Value, vault: &Vault) -> Result<Self, Wrong> {
        let text = String::read(value, vault);
        text.map(|text| Self(Some(text).filter(|text| text != "off")))
    }
}

impl Read for Size {
    fn read(value: &Value, _: &Vault) -> Result<Self, Wrong> {
        let bytes = match &value.kind {
            ValueKind::I64(number) => u64::try_from(*number).ok(),
            ValueKind::String(text) => text.replace('_', "").parse::<ByteSize>().ok().map(|size| size.as_u64()),
            _ => None,
        };
        let size = bytes.and_then(|bytes| usize::try_from(bytes).ok()).map(Self);
        size.ok_or_else(|| Wrong::is_not(value, "a size", "bytes, or a number with its unit, as in \"16MiB\""))
    }
}

impl Read for Vec<Listed> {
    /// A list, or one text with commas, as an environment variable has it.
    fn read(value: &Value, _: &Vault) -> Result<Self, Wrong> {
        let wrong = |value| Wrong::is_not(value, "a list of texts", "texts in brackets, as in [\"db1\", \"db2\"]");
        match &value.kind {
            ValueKind::String(all) => Ok(split(all)),
            ValueKind::Array(values) => values.iter().map(|value| listed(value).ok_or_else(|| wrong(value))).collect(),
            _ => Err(wrong(value)),
        }
    }
}

/// Implements [`Show`] for types that are shown as they are written.
macro_rules! as_written {
    ($($kind:ty: $value:ident => $shown:expr;)*) => {$(
        impl Show for $kind {
            fn show(&self) -> Shown {
                let $value = self;
                Shown::Text($shown)
            }
        }
    )*};
}

as_written! {
    usize: number => number.to_string();
    bool: flag => flag.to_string();
    String: text => text.clone();
    Size: size => format!("{} bytes", size.0);
    Duration: time => humantime::format_duration(*time).to_string();
    SocketAddr: address => address.to_string();
    Address: address => address.to_string();
    Vec<Listed>: all => all.iter().map(|listed| listed.text.as_str()).collect::<Vec<_>>().join(", ");
}

impl Show for Secret {
    fn show(&self) -> Shown {
        Shown::Hidden(self.clone())
    }
}

impl<T: Show> Show for OrOff<T> {
    fn show(&self) -> Shown {
        self.0.as_ref().map_or_else(|| Shown::Text("off".to_owned()), Show::show)
    }
}

/// The text, where it is one.
pub(super) fn text(value: &Value) -> Option<&str> {
    match &value.kind {
        ValueKind::String(text) => Some(text),
        _ => None,
    }
}

fn split(all: &str) -> Vec<Listed> {
    let names = all.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(|name| Listed { text: name.to_owned(), source: None }).collect()
}

fn listed(value: &Value) -> Option<Listed> {
    text(value).map(|text| Listed { text: text.to_owned(), source: value.origin().map(str::to_owned) })
}

/// The whole value, as a file would have it.
pub(super) fn whole(value: &Value) -> String {
    match &value.kind {
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Array(values) => format!("[{}]", values.iter().map(whole).collect::<Vec<_>>().join(", ")),
        _ => shown(value),
    }
}

fn shown(value: &Value) -> String {
    match &value.kind {
        ValueKind::String(text) if text.chars().count() > SHOWN_CHARACTERS => {
            format!("{:?}…", text.chars().take(SHOWN_CHARACTERS).collect::<String>())
        }
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Array(_) => "a list".to_owned(),
        ValueKind::Table(_) => "a table".to_owned(),
        ValueKind::Nil => "a gap in the numbering".to_owned(),
        plain => plain.to_string(),
    }
}

#[cfg(test)]
mod tests;
