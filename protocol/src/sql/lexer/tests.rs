//! Byte literals and the tokens they give.

use super::*;
use crate::sql::mode::Flavor;

const MY: Mode = Mode::new(Flavor::MySql, 90704);
const MARIA: Mode = Mode::new(Flavor::MariaDb, 101_119);

#[derive(Default)]
struct Tokens {
    seen: Vec<String>,
    spans: Vec<(usize, usize)>,
    text: Vec<u8>,
}

impl Sink for Tokens {
    fn token(&mut self, token: Token<'_>, start: usize, end: usize) {
        self.spans.push((start, end));
        self.seen.push(match token {
            Token::Word(word) => String::from_utf8_lossy(word).into_owned(),
            Token::Quoted(name) => format!("`{}`", String::from_utf8_lossy(name)),
            Token::Text => format!("'{}'", String::from_utf8_lossy(&std::mem::take(&mut self.text))),
            Token::Number(Some(value)) => format!("#{value}"),
            Token::Number(None) => "#".to_owned(),
            Token::Punct(byte) => char::from(byte).to_string(),
            other => format!("{other:?}"),
        });
    }

    fn text(&mut self, piece: &[u8]) {
        self.text.extend_from_slice(piece);
    }
}

fn tokens(text: &[u8], mode: Mode) -> Tokens {
    let mut tokens = Tokens::default();
    let mut lexer = Lexer::new(mode);
    lexer.feed(text, &mut tokens);
    lexer.finish(&mut tokens);
    tokens
}

#[track_caller]
fn gives(text: &str, expected: &[&str]) {
    assert_eq!(tokens(text.as_bytes(), MY).seen, expected, "{text}");
}

#[test]
fn words_names_and_texts() {
    gives("SELECT a1, _b$c", &["SELECT", "a1", ",", "_b$c"]);
    gives("`a``b` 'c''d' \"e\\\"f\"", &["`a`b`", "'c'd'", "'e\"f'"]);
    gives("'a\\n\\\\\\'' 'open", &["'a\n\\''"]);
    gives("x'41'N'a'_utf8'b'", &["x", "'41'", "N", "'a'", "_utf8", "'b'"]);
    gives("a.b .c t.1a t . 2b", &["a", ".", "b", ".", "c", "t", ".", "1a", "t", ".", "2b"]);
    gives("é$", &["é$"]);
    let long = "x".repeat(200);
    assert_eq!(tokens(long.as_bytes(), MY).seen, [&long[..MAX_NAME]]);
}

#[test]
fn numbers_touch_words() {
    gives("1 23.5 .5 1. 1e5 1.5e-3x 0x1F", &["#1", "#", "#", "#", "#", "#", "x", "0x1F"]);
    gives("1e5into 1.into .5into 1into 1e", &["#", "into", "#", "into", "#", "into", "0into", "#"]);
    gives("18446744073709551615 18446744073709551616", &["#18446744073709551615", "#"]);
}

#[test]
fn comments() {
    gives("1--1 --2", &["#1", "-", "-", "#1", "-", "-", "#2"]);
    gives("1-- 1\n2--\t\n3--", &["#1", "Comment", "#2", "Comment", "#3", "Comment"]);
    gives("1#x\n2 --\r3\n4", &["#1", "Comment", "#2", "Comment", "#4"]);
    gives("/**/1/*/ 2 */3/* /* */4", &["Comment", "#1", "Comment", "#3", "Comment", "#4"]);
    gives("2*/*x*/3 4 */ 5", &["#2", "*", "Comment", "#3", "#4", "*", "/", "#5"]);
    gives("/*!50000 1*/2", &["VersionMark", "#1", "VersionMark", "#2"]);
    gives("/*!99999 1 /* 2 */ 3 */4", &["Comment", "#4"]);
    gives("/*!5000 1*/", &["Uncertain", "VersionMark", "#1", "VersionMark"]);
    // Whether five digits or six are the version, only those of before 9.0 may see otherwise.
    let old = Mode::new(Flavor::MySql, 80_040);
    assert_eq!(tokens(b"/*!100000 1*/2", old).seen, ["Uncertain", "Comment", "#2"]);
    assert_eq!(tokens(b"/*!080000 1*/2", old).seen, ["VersionMark", "#1", "VersionMark", "#2"]);
    gives("/*!100000 1*/2", &["Comment", "#2"]);
    gives("/*+ Set_Var(a=1) */ /*+ x */", &["Hint { set_var: true }", "Hint { set_var: false }"]);
    assert_eq!(tokens(b"/*M!100000 1*//*+ SET_VAR */", MARIA).seen, ["VersionMark", "#1", "VersionMark", "Comment"]);
}

#[test]
fn variables() {
    gives(
        "@a @'b c' @`d` @@e @@global.f @",
        &["UserVar", "UserVar", "UserVar", "SysVar", "e", "SysVar", "global", ".", "f", "UserVar"],
    );
    gives("@a:=1 @b.c:=2 :x", &["UserVar", "Assign", "#1", "UserVar", "Assign", "#2", ":", "x"]);
}

#[test]
fn spans_cover_the_tokens() {
    let tokens = tokens(b"SELECT  `a` , 'b''c' -- d\n+ 12.5e3 @x", MY);
    assert_eq!(tokens.spans, [(0, 6), (8, 11), (12, 13), (14, 20), (21, 26), (26, 27), (28, 34), (35, 37)]);
}

#[test]
fn names_in_pieces() {
    let mut tokens = Tokens::default();
    let mut lexer = Lexer::new(MY);
    for byte in b"SELECT `a``b` 'c\\'' 12.5e3into" {
        lexer.feed(&[*byte], &mut tokens);
    }
    lexer.finish(&mut tokens);
    assert_eq!(tokens.seen, ["SELECT", "`a`b`", "'c''", "#", "into"]);
}
