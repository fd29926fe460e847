//! Trace context: which trace a statement belongs to, as its client says it. By W3C's Trace Context (`traceparent`), in a
//! query attribute of that name, or in a comment as sqlcommenter writes it: `/*traceparent='00-…-…-01'*/`.

use memchr::memmem;

use crate::sql::Mode;
use crate::sql::lexer::Lexer;
use crate::sql::token::{Sink, Token};

/// The attribute's name, and the comment's key.
pub const NAME: &[u8] = b"traceparent";

/// Bytes of version 00; later versions may add more behind.
const LENGTH: usize = 55;

/// The bit of the flags that says that the trace is recorded.
const SAMPLED: u8 = 1;

/// A `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// Of the whole trace.
    pub trace_id: [u8; 16],
    /// Of the span in which the client sent the statement.
    pub parent_id: [u8; 8],
    /// The trace is recorded.
    pub sampled: bool,
}

impl TraceParent {
    /// Reads the header's value. `None` where it is not one: ids of zeros, upper case and version ff are none.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (head, behind) = value.split_at_checked(LENGTH)?;
        let [version, trace_id, parent_id, flags] = parts(head)?;
        let version: [u8; 1] = hex(version)?;
        let is_whole = match version {
            [0xFF] => false,
            [0] => behind.is_empty(),
            _ => behind.is_empty() || behind.starts_with(b"-"),
        };
        let (trace_id, parent_id, [flags]) = (hex(trace_id)?, hex(parent_id)?, hex(flags)?);
        let valid = is_whole && trace_id != [0; 16] && parent_id != [0; 8];
        valid.then_some(Self { trace_id, parent_id, sampled: flags & SAMPLED != 0 })
    }

    /// Looks for one in the comments of a text, which the lexer tells from literals. The first that is one counts.
    #[must_use]
    pub fn in_comments(text: &[u8], mode: Mode) -> Option<Self> {
        memmem::find(text, NAME)?;
        let mut comments = Comments { text, found: None };
        let mut lexer = Lexer::new(mode);
        lexer.feed(text, &mut comments);
        lexer.finish(&mut comments);
        comments.found
    }
}

fn parts(head: &[u8]) -> Option<[&[u8]; 4]> {
    let mut parts = head.split(|byte| *byte == b'-');
    let all = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(all)
}

fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

struct Comments<'t> {
    text: &'t [u8],
    found: Option<TraceParent>,
}

impl Sink for Comments<'_> {
    fn token(&mut self, token: Token<'_>, start: usize, end: usize) {
        if !matches!(token, Token::Comment) || self.found.is_some() {
            return;
        }
        let comment = self.text.get(start..end).unwrap_or_default();
        let value = memmem::find(comment, NAME).and_then(|at| comment.get(at + NAME.len()..)?.strip_prefix(b"="));
        let Some(value) = value else { return };
        let value = value.strip_prefix(b"'").unwrap_or(value);
        let end = value.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-').unwrap_or(value.len());
        self.found = value.get(..end).and_then(TraceParent::parse);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::TraceParent;
    use crate::sql::{Flavor, Mode};

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn in_comments(text: &str) -> Option<TraceParent> {
        TraceParent::in_comments(text.as_bytes(), Mode::new(Flavor::MySql, 90_704))
    }

    #[test]
    fn it_is_read_as_w3c_writes_it() {
        let read = TraceParent::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(read.trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes());
        assert_eq!((read.parent_id, read.sampled), (0xb7ad_6b71_6920_3331_u64.to_be_bytes(), true));
        assert!(!TraceParent::parse(GOOD.replace("-01", "-00").as_bytes()).unwrap().sampled);
        assert!(TraceParent::parse(GOOD.replace("-01", "-03").as_bytes()).unwrap().sampled);
        assert!(TraceParent::parse(format!("cc{}-what-else", &GOOD[2..]).as_bytes()).is_some(), "a later version");
    }

    #[test]
    fn what_is_not_one_is_none() {
        let zeros = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
        let no_parent = "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01";
        let later = format!("{GOOD}-more");
        for text in ["", "00", zeros, no_parent, &later, &GOOD.to_uppercase(), &format!("ff{}", &GOOD[2..]), &GOOD[1..]]
        {
            assert_eq!(TraceParent::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn it_is_found_in_comments_and_nowhere_else() {
        for text in [
            format!("SELECT 1 /*db_driver='x',traceparent='{GOOD}',tracestate='a%3Db'*/"),
            format!("/* traceparent={GOOD} */ SELECT 1"),
            format!("SELECT 1 -- traceparent='{GOOD}'"),
            format!("SELECT '/*' /* traceparent='nonsense' */ + 1 /*traceparent='{GOOD}'*/"),
        ] {
            assert_eq!(in_comments(&text), TraceParent::parse(GOOD.as_bytes()), "{text}");
        }
        for text in [format!("SELECT '/*traceparent=''{GOOD}''*/'"), format!("SELECT `traceparent={GOOD}`"), "x".into()]
        {
            assert_eq!(in_comments(&text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_one_or_none(bytes: Vec<u8>, text in "(/[*])?traceparent='?[0-9a-f-]{0,60}'?([*]/)?") {
            let _ = TraceParent::parse(&bytes);
            let _ = in_comments(&text);
        }
    }
}
