//! Properties of the SQL lexer and classifier: no bytes make them panic, no split changes a verdict.

use greenroom_protocol::sql::{
    Classifier, ClientCharset, Flavor, FoundRows, Known, Mode, Verdict, classify, substitute,
};
use proptest::prelude::*;

/// Pieces that, put together, reach every state of the lexer and most of the classifier.
const PIECES: &[&str] = &[
    "SELECT ",
    "1",
    " ",
    "'",
    "\"",
    "`",
    "\\",
    "''",
    "/*",
    "*/",
    "/*!",
    "/*!50000",
    "/*!99999 ",
    "/*M!",
    "/*+ SET_VAR(",
    "-- ",
    "--",
    "-",
    "#",
    "\n",
    "@",
    "@@",
    "@a",
    "@'b'",
    ":",
    ":=",
    "=",
    ";",
    ".",
    ",",
    "(",
    ")",
    "GET_LOCK",
    "INTO ",
    "SET ",
    "PREPARE s FROM ",
    "EXECUTE IMMEDIATE ",
    "BEGIN ",
    "NOT ATOMIC ",
    "END",
    " CASE ",
    "CREATE PROCEDURE p() ",
    "LAST_INSERT_ID",
    "1e",
    "5",
    ".5",
    "0x",
    "$$",
    "$a$",
    "\u{81}",
    "é",
    "x",
    " FOR ",
    "STATEMENT ",
    "session_track_x",
    "GLOBAL ",
    "profiling",
    "CALL p",
    "KILL ",
    "WITH ",
    "TEMPORARY ",
    "TABLE t ",
    "FLUSH TABLES ",
    "READ LOCK",
    "ROW_COUNT()",
    "FOUND_ROWS ( )",
    "FROM ",
    "AS ",
    "IF ",
    "THEN ",
    "ELSE ",
    "*",
    "/",
];

fn charset() -> impl Strategy<Value = ClientCharset> {
    prop_oneof![
        Just(ClientCharset::Plain),
        Just(ClientCharset::SingleByte),
        Just(ClientCharset::Gbk),
        Just(ClientCharset::Big5),
        Just(ClientCharset::Sjis),
    ]
}

fn mode() -> impl Strategy<Value = Mode> {
    let server = prop_oneof![
        Just((Flavor::MySql, 90704)),
        Just((Flavor::MySql, 80040)),
        Just((Flavor::MySql, 50744)),
        Just((Flavor::MariaDb, 101_119)),
    ];
    (server, any::<bool>(), any::<bool>(), charset()).prop_map(|((flavor, version), ansi, raw, charset)| Mode {
        ansi_quotes: ansi,
        no_backslash_escapes: raw,
        charset,
        ..Mode::new(flavor, version)
    })
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn in_pieces(text: &[u8], mode: Mode, mut cuts: Vec<usize>) -> Verdict {
    cuts.sort_unstable();
    let mut classifier = Classifier::new(mode);
    let mut rest = text;
    let mut at = 0;
    for cut in cuts {
        let (piece, tail) = rest.split_at((cut - at).min(rest.len()));
        classifier.feed(piece);
        (rest, at) = (tail, cut);
    }
    classifier.feed(rest);
    classifier.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn any_split_gives_the_same_verdict(text in text(), mode in mode(), cuts in prop::collection::vec(0usize..120, 0..6)) {
        prop_assert_eq!(in_pieces(&text, mode, cuts), classify(&text, mode));
    }

    #[test]
    fn byte_by_byte_gives_the_same_verdict(text in text(), mode in mode()) {
        prop_assert_eq!(in_pieces(&text, mode, (0..text.len()).collect()), classify(&text, mode));
    }

    #[test]
    fn any_bytes_never_panic(text in prop::collection::vec(any::<u8>(), 0..200), mode in mode()) {
        let _ = classify(&text, mode);
    }

    #[test]
    fn what_a_literal_holds_never_counts(inner in "[a-zA-Z0-9@:=(); ]{0,40}", mode in mode()) {
        let verdict = classify(format!("SELECT '{inner}'").as_bytes(), mode);
        prop_assert!(verdict.pins.is_empty());
        prop_assert_eq!(verdict, classify(b"SELECT ''", mode));
    }

    #[test]
    fn substitution_and_bodies_never_panic(text in text(), mode in mode()) {
        let known = Known { row_count: Some(i64::MIN), found_rows: FoundRows::Rows(u64::MAX), connection_id: Some(0) };
        let mut out = Vec::new();
        let replaced = substitute(&text, mode, &known, &mut out);
        prop_assert_eq!(replaced, !out.is_empty());
    }
}
