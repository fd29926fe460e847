//! The lexer and the classifier: any pieces give the same tokens and the same verdict; the tokens stand in order and
//! cover the text but for blanks and what is left open at its end.

use greenroom_protocol::sql::{
    Classifier, Doubt, Facts, Mode, PinReason, Verdict, classify,
    lexer::Lexer,
    read,
    token::{Sink, Token},
};

use super::{
    input::{Input, reads},
    substitute,
};

/// Tokens as text, with where they stand.
#[derive(Debug, Default, PartialEq)]
struct Tokens(Vec<(String, usize, usize)>);

impl Sink for Tokens {
    fn token(&mut self, token: Token<'_>, start: usize, end: usize) {
        self.0.push((format!("{token:?}"), start, end));
    }
}

impl Tokens {
    fn places(&self) -> Vec<(usize, usize)> {
        self.0.iter().map(|(_, start, end)| (*start, *end)).collect()
    }
}

fn lex(mode: Mode, pieces: &[&[u8]]) -> Tokens {
    let (mut lexer, mut tokens) = (Lexer::new(mode), Tokens::default());
    pieces.iter().for_each(|piece| lexer.feed(piece, &mut tokens));
    lexer.finish(&mut tokens);
    tokens
}

pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let mode = input.mode();
    let longest = input.byte();
    let text = input.0;
    let [whole, others @ ..] = reads(text, longest).map(|pieces| lex(mode, &pieces));
    for other in others {
        assert_eq!(other, whole);
    }
    covers(text, &whole);
    let verdict = classify(text, mode);
    for pieces in reads(text, longest) {
        let mut classifier = Classifier::new(mode);
        pieces.iter().for_each(|piece| classifier.feed(piece));
        assert_eq!(classifier.finish(), verdict);
    }
    substitute::check(text, mode);
    in_doubt(text, mode, &verdict);
}

/// However uncertain the mode, nothing is missed of what a certain one sees; where the ways part, it pins.
fn in_doubt(text: &[u8], mode: Mode, certain: &Verdict) {
    let reading = read(text, mode, Doubt::ALL);
    for way in Doubt::ALL.others(text, mode).chain([mode]) {
        let verdict = classify(text, way);
        assert!(verdict.pins.difference(reading.verdict.pins).is_empty(), "{way:?}");
        assert!(!reading.sure || lex(way, &[text]).places() == lex(mode, &[text]).places(), "{way:?}");
    }
    assert!(reading.sure || reading.verdict.pins.contains(PinReason::UntrackedState));
    let least = read(text, mode, Doubt::default());
    assert!(least.verdict == *certain || certain.facts.contains(Facts::MULTI), "without a doubt it is what it is");
}

fn covers(text: &[u8], tokens: &Tokens) {
    let mut at = 0;
    // `Uncertain` is a remark about the token that follows it, which stands where it does.
    for (token, start, end) in tokens.0.iter().filter(|(token, ..)| token != "Uncertain") {
        assert!(
            at <= *start && start < end && *end <= text.len(),
            "{token} at {start}..{end} behind {at} in {tokens:?}"
        );
        let gap = &text[at..*start];
        assert!(gap.iter().all(|byte| matches!(byte, b' ' | b'\t'..=b'\r')), "{} is no token", gap.escape_ascii());
        at = *end;
    }
}
