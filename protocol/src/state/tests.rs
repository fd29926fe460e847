use mysql_common::constants::CapabilityFlags as Flags;

use super::{Charset, Names, SessionState, Unfit, absorb, restore};

fn named(charset: &str, collation: &str) -> Charset {
    Charset::Named(Names {
        client: charset.as_bytes().into(),
        results: Some(charset.as_bytes().into()),
        connection: collation.as_bytes().into(),
    })
}

fn fresh(database: Option<&str>) -> SessionState {
    SessionState::new(database.map(str::as_bytes), named("utf8mb4", "utf8mb4_bin"))
}

#[test]
fn equal_states_need_nothing_and_have_equal_prints() {
    let (mut one, mut other) = (fresh(Some("app")), fresh(Some("app")));
    one.set_variable(b"sql_mode", b"ANSI");
    one.set_variable(b"autocommit", b"OFF");
    other.set_variable(b"autocommit", b"OFF");
    other.set_variable(b"sql_mode", b"ANSI");
    assert_eq!(one.print(), other.print());
    assert!(restore(&one, &other, &[], Flags::empty(), None).unwrap().is_empty());
}

#[test]
fn what_the_session_never_set_goes_back_to_default() {
    let (want, mut have) = (fresh(Some("app")), fresh(Some("other")));
    have.set_variable(b"sql_mode", b"ANSI");
    have.set_variable(b"unique_checks", b"OFF");
    let plan = restore(&want, &have, &[], Flags::empty(), Some(7)).unwrap();
    assert_eq!(plan.database.as_deref(), Some(&b"app"[..]));
    assert_eq!(
        plan.set.unwrap(),
        b"SET @@SESSION.sql_mode=DEFAULT, @@SESSION.unique_checks=@@GLOBAL.unique_checks, @@SESSION.last_insert_id=7"
    );
}

#[test]
fn what_the_login_itself_set_goes_back_to_that() {
    let (want, mut have) = (fresh(None), fresh(None));
    have.set_variable(b"sql_mode", b"ANSI");
    have.set_variable(b"wait_timeout", b"9");
    let plan = restore(&want, &have, &[], Flags::CLIENT_IGNORE_SPACE, None).unwrap();
    assert_eq!(
        String::from_utf8(plan.set.unwrap()).unwrap(),
        "SET @@SESSION.sql_mode=CONCAT(@@GLOBAL.sql_mode,',IGNORE_SPACE'), @@SESSION.wait_timeout=DEFAULT"
    );
    let plan = restore(&want, &have, &[], Flags::CLIENT_INTERACTIVE, None).unwrap();
    assert_eq!(
        String::from_utf8(plan.set.unwrap()).unwrap(),
        "SET @@SESSION.sql_mode=DEFAULT, @@SESSION.wait_timeout=@@GLOBAL.interactive_timeout"
    );
}

#[test]
fn values_are_written_by_their_kind() {
    let (mut want, have) = (fresh(None), fresh(None));
    want.set_variable(b"a", b"12.50");
    want.set_variable(b"b", b"+00:00");
    want.set_variable(b"c", b"it's");
    want.set_variable(b"d", b"");
    let set = restore(&want, &have, &[], Flags::empty(), None).unwrap().set.unwrap();
    assert_eq!(
        String::from_utf8(set).unwrap(),
        "SET @@SESSION.a=12.50, @@SESSION.b='+00:00', @@SESSION.c='it''s', @@SESSION.d=''"
    );
}

#[test]
fn what_another_variable_changes_is_restored_after_it() {
    let (mut want, mut have) = (fresh(None), fresh(None));
    want.set_variable(b"sql_big_selects", b"1");
    want.set_variable(b"max_join_size", b"9");
    have.set_variable(b"sql_big_selects", b"1");
    let set = restore(&want, &have, &[], Flags::empty(), None).unwrap().set.unwrap();
    assert_eq!(set, b"SET @@SESSION.max_join_size=9, @@SESSION.sql_big_selects=1");
}

#[test]
fn what_can_not_be_restored_is_said() {
    assert_eq!(restore(&fresh(None), &fresh(Some("app")), &[], Flags::empty(), None), Err(Unfit::Database));
    let unknown = SessionState::new(None, Charset::Handshake(45));
    assert_eq!(restore(&unknown, &fresh(None), &[], Flags::empty(), None), Err(Unfit::Charset));
    let mut odd = fresh(None);
    odd.set_variable(b"x", b"a\\'b");
    assert_eq!(restore(&odd, &fresh(None), &[], Flags::empty(), None), Err(Unfit::Value));
}

#[test]
fn the_three_character_sets_are_restored_together() {
    let mut want = fresh(None);
    want.set_charset(Charset::Named(Names {
        client: (*b"binary").into(),
        results: None,
        connection: (*b"binary").into(),
    }));
    let set = restore(&want, &fresh(None), &[], Flags::empty(), None).unwrap().set.unwrap();
    assert_eq!(
        String::from_utf8(set).unwrap(),
        "SET @@SESSION.character_set_client='binary', @@SESSION.character_set_results=NULL, \
         @@SESSION.collation_connection='binary'"
    );
}

#[test]
fn the_usual_character_sets_are_restored_as_set_names_does() {
    let (mut want, have) = (fresh(None), fresh(None));
    want.set_charset(named("latin1", "latin1_bin"));
    let set = restore(&want, &have, &[], Flags::empty(), Some(1)).unwrap().set.unwrap();
    assert_eq!(set, b"SET NAMES 'latin1' COLLATE 'latin1_bin', @@SESSION.last_insert_id=1");
    want.set_charset(named("utf8mb3", "utf8mb4_bin"));
    let set = restore(&want, &have, &[], Flags::empty(), None).unwrap().set.unwrap();
    assert!(set.starts_with(b"SET @@SESSION.character_set_client='utf8mb3', "));
}

#[test]
fn reports_change_the_state() {
    let mut state = fresh(Some("app"));
    let before = state.print();
    let reports: [(&[u8], &[u8]); 4] =
        [(b"sql_mode", b"ANSI"), (b"last_gtid", b"0-1-9"), (b"character_set_client", b"latin1"), (b"insert_id", b"5")];
    absorb(&mut state, [(&b"statement_id"[..], &b"9"[..])], None);
    let absorbed = absorb(&mut state, reports, Some(b""));
    assert!(absorbed.changed && absorbed.charset && absorbed.insert_id && !absorbed.unrestorable);
    assert_eq!((state.database(), state.variable(b"sql_mode")), (None, Some(&b"ANSI"[..])));
    assert_eq!(state.variable_count(), 1);
    assert_ne!(state.print(), before);
}

#[test]
fn names_that_run_together_do_not_collide() {
    let (mut one, mut other) = (fresh(None), fresh(None));
    one.set_variable(b"ab", b"c");
    other.set_variable(b"a", b"bc");
    assert_ne!(one.print(), other.print());
}

#[test]
fn what_a_variable_was_anyway_needs_no_setting() {
    let defaults = [(Box::from(&b"autocommit"[..]), Box::from(&b"ON"[..]))];
    let (mut set, fresh) = (fresh(None), fresh(None));
    set.set_variable(b"autocommit", b"ON");
    assert!(restore(&set, &fresh, &defaults, Flags::empty(), None).unwrap().is_empty());
    assert!(restore(&fresh, &set, &defaults, Flags::empty(), None).unwrap().is_empty());
    set.set_variable(b"autocommit", b"OFF");
    assert_eq!(
        restore(&fresh, &set, &defaults, Flags::empty(), None).unwrap().set.unwrap(),
        b"SET @@SESSION.autocommit=DEFAULT"
    );
}

fn with(state: &SessionState, assigned: &[(&str, &str)]) -> SessionState {
    let mut variables = state.user_variables().clone();
    for (name, sql) in assigned {
        variables.assign(name.as_bytes(), sql.as_bytes()).unwrap();
    }
    let mut state = state.clone();
    state.set_user_variables(variables);
    state
}

#[test]
fn user_variables_are_assigned_again_but_never_taken_away() {
    let (none, one) = (fresh(None), with(&fresh(None), &[("a", "1"), ("b`c", "_latin1'x' COLLATE `latin1_bin`")]));
    assert_ne!(none.print(), one.print());
    let set = restore(&one, &none, &[], Flags::empty(), Some(3)).unwrap().set.unwrap();
    assert_eq!(
        String::from_utf8(set).unwrap(),
        "SET @`a`=1, @`b``c`=_latin1'x' COLLATE `latin1_bin`, @@SESSION.last_insert_id=3"
    );
    assert_eq!(restore(&none, &one, &[], Flags::empty(), None), Err(Unfit::UserVariables));
    let other = with(&one, &[("a", "NULL")]);
    assert_eq!(restore(&other, &one, &[], Flags::empty(), None).unwrap().set.unwrap(), b"SET @`a`=1, @`a`=NULL");
    assert_ne!(other.print(), one.print());
    assert_eq!(restore(&one, &other, &[], Flags::empty(), None).unwrap().set.unwrap(), b"SET @`a`=1");
}
