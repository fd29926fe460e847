//! Values for the parameters of prepared statements: `TYPE:VALUE`, without a space, or `null`.

/// One value as the binary protocol has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value {
    /// The type byte, and 0x80 in the next for what is unsigned.
    pub(crate) kind: [u8; 2],
    /// `None` for NULL.
    pub(crate) bytes: Option<Vec<u8>>,
}

impl Value {
    /// Reads one; panics at what is none.
    pub(crate) fn parse(text: &str) -> Self {
        let (kind, value) = text.split_once(':').unwrap_or((text, ""));
        let int = || value.parse::<i64>().expect(text);
        let (kind, bytes) = match kind {
            "null" => return Self { kind: [6, 0], bytes: None },
            "i8" => (1, (int() as i8).to_le_bytes().to_vec()),
            "i16" => (2, (int() as i16).to_le_bytes().to_vec()),
            "i32" => (3, (int() as i32).to_le_bytes().to_vec()),
            "i64" => (8, int().to_le_bytes().to_vec()),
            "u64" => {
                let bytes = value.parse::<u64>().expect(text).to_le_bytes().to_vec();
                return Self { kind: [8, 0x80], bytes: Some(bytes) };
            }
            "f32" => (4, value.parse::<f32>().expect(text).to_le_bytes().to_vec()),
            "f64" => (5, value.parse::<f64>().expect(text).to_le_bytes().to_vec()),
            "decimal" => (246, short(value.as_bytes())),
            "string" => (253, short(value.as_bytes())),
            "blob" => (252, short(value.as_bytes())),
            "date" => (10, date(value)),
            "datetime" => (12, date(value)),
            "time" => (11, time(value)),
            _ => panic!("no such type: {text}"),
        };
        Self { kind: [kind, 0], bytes: Some(bytes) }
    }
}

fn short(bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() < 0xFB, "a short value");
    [&[bytes.len() as u8], bytes].concat()
}

fn numbers(text: &str) -> Vec<u32> {
    text.split(['-', 'T', ':']).map(|part| part.parse().expect(text)).collect()
}

/// `YYYY-MM-DD`, with `Thh:mm:ss` behind it or not.
fn date(text: &str) -> Vec<u8> {
    let numbers = numbers(text);
    let mut out = (numbers[0] as u16).to_le_bytes().to_vec();
    out.extend(numbers[1..].iter().map(|number| *number as u8));
    short(&out)
}

/// `hh:mm:ss`.
fn time(text: &str) -> Vec<u8> {
    let numbers = numbers(text);
    let mut out = vec![0];
    out.extend((numbers[0] / 24).to_le_bytes());
    out.extend([numbers[0] % 24, numbers[1], numbers[2]].map(|number| number as u8));
    short(&out)
}
