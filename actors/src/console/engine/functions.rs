//! Functions that servers have and the engine has not, or has otherwise.

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};

use crate::console::talk::Guest;
use crate::console::{DATABASE, version};

type Outcome<T> = rusqlite::Result<T>;

/// As many arguments as there are.
const ANY: i32 = -1;

/// Has the engine know them.
pub(super) fn add(engine: &Connection, guest: &Guest) -> Outcome<()> {
    about_the_session(engine, guest)?;
    texts(engine)?;
    numbers(engine)
}

const FLAGS: FunctionFlags = FunctionFlags::SQLITE_UTF8.union(FunctionFlags::SQLITE_DETERMINISTIC);

fn about_the_session(engine: &Connection, guest: &Guest) -> Outcome<()> {
    let constant = |names: &[&str], value: Value| {
        names.iter().try_for_each(|name| {
            let value = value.clone();
            engine.create_scalar_function(*name, 0, FLAGS, move |_| Ok(value.clone()))
        })
    };
    constant(&["DATABASE", "SCHEMA"], DATABASE.to_owned().into())?;
    let whom = format!("{}@{}", guest.user, guest.host);
    constant(&["USER", "SESSION_USER", "SYSTEM_USER", "CURRENT_USER"], whom.into())?;
    constant(&["VERSION"], version().into())?;
    constant(&["CONNECTION_ID"], i64::from(guest.id).into())?;
    constant(&["LAST_INSERT_ID", "ROW_COUNT"], 0_i64.into())?;
    // There is one time zone.
    engine.create_scalar_function("CONVERT_TZ", 3, FLAGS, |it| text(it, 0))
}

fn texts(engine: &Connection) -> Outcome<()> {
    for name in ["UCASE", "LCASE"] {
        let upper = name == "UCASE";
        engine.create_scalar_function(name, 1, FLAGS, move |it| {
            Ok(text(it, 0)?.map(|text| if upper { text.to_uppercase() } else { text.to_lowercase() }))
        })?;
    }
    for name in ["CHAR_LENGTH", "CHARACTER_LENGTH"] {
        engine.create_scalar_function(name, 1, FLAGS, |it| Ok(text(it, 0)?.map(|text| whole(text.chars().count()))))?;
    }
    engine.create_scalar_function("LENGTH", 1, FLAGS, |it| Ok(text(it, 0)?.map(|text| whole(text.len()))))?;
    engine.create_scalar_function("CONCAT", ANY, FLAGS, |it| {
        (0..it.len()).map(|at| text(it, at)).collect::<Outcome<Option<String>>>()
    })?;
    engine.create_scalar_function("LEFT", 2, FLAGS, |it| {
        let count = usize::try_from(it.get::<i64>(1)?).unwrap_or(0);
        Ok(text(it, 0)?.map(|text| text.chars().take(count).collect::<String>()))
    })?;
    engine.create_scalar_function("RIGHT", 2, FLAGS, |it| {
        let count = usize::try_from(it.get::<i64>(1)?).unwrap_or(0);
        Ok(text(it, 0)?.map(|text| text.chars().skip(text.chars().count().saturating_sub(count)).collect::<String>()))
    })?;
    for arguments in [2, 3] {
        engine.create_scalar_function("LOCATE", arguments, FLAGS, move |it| {
            let from = if arguments == 3 { it.get::<i64>(2)? } else { 1 };
            let (part, whole) = (text(it, 0)?, text(it, 1)?);
            Ok(part.zip(whole).map(|(part, whole)| locate(&part.to_lowercase(), &whole.to_lowercase(), from)))
        })?;
    }
    engine.create_scalar_function("SUBSTRING_INDEX", 3, FLAGS, |it| {
        let (text, sign, count) = (text(it, 0)?, text(it, 1)?, it.get::<i64>(2)?);
        Ok(text.zip(sign).map(|(text, sign)| substring_index(&text, &sign, count)))
    })
}

fn numbers(engine: &Connection) -> Outcome<()> {
    engine.create_scalar_function("IS_NULL", 1, FLAGS, |it| Ok(it.get_raw(0) == ValueRef::Null))?;
    for (name, round) in [("FLOOR", f64::floor as fn(f64) -> f64), ("CEIL", f64::ceil), ("CEILING", f64::ceil)] {
        engine.create_scalar_function(name, 1, FLAGS, move |it| {
            let number = it.get::<Option<f64>>(0)?.map(round);
            // Without a fraction, as servers show it.
            #[expect(
                clippy::cast_possible_truncation,
                reason = "what is beyond is cut to the nearest whole number there is"
            )]
            let whole = number.map(|number| number as i64);
            Ok(whole)
        })?;
    }
    for (name, least) in [("LEAST", true), ("GREATEST", false)] {
        engine.create_scalar_function(name, ANY, FLAGS, move |it| {
            let all = (0..it.len()).map(|at| it.get::<Option<f64>>(at)).collect::<Outcome<Option<Vec<f64>>>>()?;
            Ok(all.and_then(|all| all.into_iter().reduce(if least { f64::min } else { f64::max })).map(number))
        })?;
    }
    Ok(())
}

/// Whole where it is.
fn number(number: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "only what is whole and small enough is taken so")]
    let whole = number as i64;
    #[expect(clippy::cast_precision_loss, reason = "what is lost makes them differ")]
    if whole as f64 == number { whole.into() } else { number.into() }
}

/// An argument as a text, whatever it is.
fn text(context: &Context<'_>, at: usize) -> Outcome<Option<String>> {
    Ok(match context.get_raw(at) {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(text) | ValueRef::Blob(text) => Some(String::from_utf8_lossy(text).into_owned()),
    })
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// At which letter a part begins, from that one on; 0 if nowhere. Letters are counted from 1.
fn locate(part: &str, text: &str, from: i64) -> i64 {
    let Some(skipped) = usize::try_from(from).ok().and_then(|from| from.checked_sub(1)) else { return 0 };
    let Some((start, _)) = text.char_indices().chain([(text.len(), ' ')]).nth(skipped) else { return 0 };
    let rest = text.get(start..).unwrap_or_default();
    let before = rest.find(part).and_then(|at| rest.get(..at));
    before.map_or(0, |before| whole(skipped + before.chars().count() + 1))
}

/// Everything before so many of a sign; behind so many from the end, if there are fewer than none.
fn substring_index(text: &str, sign: &str, count: i64) -> String {
    let many = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if sign.is_empty() || many == 0 {
        return String::new();
    }
    let found = match count > 0 {
        true => text.match_indices(sign).nth(many - 1).and_then(|(at, _)| text.get(..at)),
        false => text.rmatch_indices(sign).nth(many - 1).and_then(|(at, _)| text.get(at + sign.len()..)),
    };
    found.unwrap_or(text).to_owned()
}
