//! What stands for each `{…}` of a move. `{db}` and `{tag}` stay for the run.

use crate::support::dice::Dice;

const CHARSETS: [&str; 6] = ["utf8mb4", "latin1", "utf8mb3", "ascii", "cp1251", "binary"];
const COLLATIONS: [&str; 2] = ["bin", "general_ci"];
const LEVELS: [&str; 4] = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "READ UNCOMMITTED"];
const LANGUAGES: [&str; 4] = ["de_DE", "fr_FR", "ja_JP", "es_ES"];
const SYLLABLES: [&str; 8] = ["ba", "ke", "li", "mo", "nu", "ra", "si", "to"];

/// Fills in one move. What names a thing (a slot, a variable, a table) is the same throughout a move.
pub(crate) fn fill(pattern: &str, dice: &mut Dice) -> String {
    let names = [dice.roll(3), dice.roll(3), dice.roll(2), dice.roll(2), dice.roll(2)];
    let mut out = String::new();
    let mut rest = pattern;
    while let Some((before, name, after)) = next(rest) {
        out += before;
        out += &one(name, &names, dice).unwrap_or_else(|| format!("{{{name}}}"));
        rest = after;
    }
    out + rest
}

fn next(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

fn one(name: &str, names: &[usize; 5], dice: &mut Dice) -> Option<String> {
    Some(match name {
        "slot" => names[0].to_string(),
        "var" => ["a", "b", "c"][names[1]].to_owned(),
        "stmt" => format!("s{}", names[2]),
        "tmp" => format!("tmp{}", names[3] + 1),
        "l" => (names[4] + 1).to_string(),
        "d" => (dice.roll(9) + 1).to_string(),
        "mm" => (dice.roll(90) + 10).to_string(),
        "k" => (dice.roll(9000) + 1000).to_string(),
        "s" => word(dice),
        "zone" => format!("{}{:02}:{:02}", dice.one_of(&["+", "-"]), dice.roll(12), dice.roll(60)),
        "charset" => dice.one_of(&CHARSETS).to_owned(),
        "collation" => dice.one_of(&COLLATIONS).to_owned(),
        "level" => dice.one_of(&LEVELS).to_owned(),
        "language" => dice.one_of(&LANGUAGES).to_owned(),
        "p" => parameter(dice),
        "db" | "tag" => return None,
        _ => panic!("no such placeholder: {name}"),
    })
}

fn word(dice: &mut Dice) -> String {
    let syllables: String = (0..=dice.roll(2)).map(|_| dice.one_of(&SYLLABLES)).collect();
    format!("{syllables}{}", dice.roll(100))
}

fn parameter(dice: &mut Dice) -> String {
    let number = dice.roll(100);
    match dice.roll(13) {
        0 => "null".into(),
        1 => format!("i8:-{number}"),
        2 => format!("i16:{number}"),
        3 => format!("i32:{number}"),
        4 => format!("i64:-{number}"),
        5 => format!("u64:{number}"),
        6 => format!("f32:{number}.5"),
        7 => format!("f64:{number}.25"),
        8 => format!("decimal:{number}.125"),
        9 => format!("blob:{}", word(dice)),
        10 => format!("datetime:20{:02}-02-03T04:05:06", number % 60),
        11 => format!("date:20{:02}-02-03", number % 60),
        12 => format!("time:{}:05:06", number),
        _ => format!("string:{}", word(dice)),
    }
}
