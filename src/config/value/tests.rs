use std::time::Duration;

use config::{Value, ValueKind};
use greenroom_protocol::secret::Secret;

use super::{Listed, OrOff, Read, Size};
use crate::config::vault::Vault;

fn read<T: Read>(kind: impl Into<ValueKind>) -> Result<T, String> {
    T::read(&Value::new(None, kind), &Vault::default()).map_err(|wrong| format!("{}; {}", wrong.what, wrong.expected))
}

#[test]
fn durations_need_a_unit() {
    assert_eq!(read("10s"), Ok(Duration::from_secs(10)));
    assert_eq!(read("500ms"), Ok(Duration::from_millis(500)));
    assert_eq!(read("1m"), Ok(Duration::from_secs(60)));
    assert_eq!(read("2h"), Ok(Duration::from_secs(7200)));
    let expected = "a number with its unit, as in \"10s\" or \"500ms\"";
    assert_eq!(read::<Duration>(10_i64), Err(format!("10 is not a duration; {expected}")));
    assert_eq!(read::<Duration>("-1s"), Err(format!("\"-1s\" is not a duration; {expected}")));
    assert!(read::<Duration>("9999999999999999999999h").is_err());
}

#[test]
fn off_and_zero_are_no_limit() {
    assert_eq!(read("off"), Ok(OrOff::<Duration>(None)));
    assert_eq!(read("0s"), Ok(OrOff::<Duration>(None)));
    assert_eq!(read("1h"), Ok(OrOff(Some(Duration::from_secs(3600)))));
    assert!(read::<OrOff<Duration>>("never").unwrap_err().ends_with("or \"off\""));
}

#[test]
fn sizes_are_binary_or_plain() {
    assert_eq!(read("16MiB"), Ok(Size(16 << 20)));
    assert_eq!(read("512KiB"), Ok(Size(512 << 10)));
    assert_eq!(read(1024_i64), Ok(Size(1024)));
    assert_eq!(read("65_536"), Ok(Size(65_536)));
    assert!(read::<Size>(-1_i64).is_err());
    assert!(read::<Size>("16 elephants").is_err());
}

#[test]
fn numbers_are_whole_and_not_negative() {
    assert_eq!(read(100_000_i64), Ok(100_000_usize));
    assert_eq!(read("100_000"), Ok(100_000_usize));
    for wrong in [ValueKind::I64(-1), ValueKind::Float(1.5), ValueKind::Boolean(true), ValueKind::Nil] {
        assert!(read::<usize>(wrong).is_err());
    }
}

#[test]
fn lists_come_in_brackets_or_with_commas() {
    let names = |list: Vec<Listed>| list.into_iter().map(|listed| listed.text).collect::<Vec<_>>();
    assert_eq!(read("a, b,,c").map(names), Ok(vec!["a".into(), "b".into(), "c".into()]));
    assert_eq!(read(vec!["a", "b"]).map(names), Ok(vec!["a".into(), "b".into()]));
    assert!(read::<Vec<Listed>>(vec![1_i64]).is_err());
}

#[test]
fn a_secret_of_the_wrong_type_is_not_repeated() {
    assert_eq!(read::<Secret>(271_828_i64), Err("it is not a text; a text in quotes".into()));
}

#[test]
fn long_texts_are_cut() {
    let wrong = read::<usize>("x".repeat(1000)).unwrap_err();
    assert!(wrong.len() < 150, "{wrong}");
}
