//! Which rows of a table are wanted, and in which order: `LIKE`, `WHERE`, `ORDER BY`, `LIMIT`. Pure.

use std::cmp::Ordering;

use greenroom_protocol::table::{Kind, Table};

/// How a value is held against another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
    NotLike,
    Null,
    NotNull,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    /// The column's name; `None`: the first.
    pub(super) column: Option<String>,
    pub(super) test: Test,
    pub(super) value: String,
}

/// All that narrows a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter {
    /// All of them hold.
    pub(super) conditions: Vec<Condition>,
    /// A column's name, and whether the greatest comes first.
    pub(super) order: Option<(String, bool)>,
    pub(super) limit: Option<usize>,
}

/// A column that the table does not have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoColumn(pub(super) String);

impl Filter {
    /// Narrows the table.
    pub(super) fn apply(&self, table: &mut Table) -> Result<(), NoColumn> {
        for condition in &self.conditions {
            let at = condition.column.as_deref().map_or(Ok(0), |name| column(table, name))?;
            let kind = table.columns.get(at).map_or(Kind::Text, |column| column.kind);
            table.rows.retain(|row| condition.holds(row.get(at).and_then(Option::as_deref), kind));
        }
        if let Some((name, descending)) = &self.order {
            let at = column(table, name)?;
            let kind = table.columns.get(at).map_or(Kind::Text, |column| column.kind);
            table.rows.sort_by(|one, other| {
                let [one, other] = [one, other].map(|row| row.get(at).and_then(Option::as_deref));
                let order = match (one, other) {
                    (Some(one), Some(other)) => compare(one, other, kind),
                    (one, other) => one.is_some().cmp(&other.is_some()),
                };
                if *descending { order.reverse() } else { order }
            });
        }
        table.rows.truncate(self.limit.unwrap_or(usize::MAX));
        Ok(())
    }
}

/// Where a column stands.
pub(super) fn column(table: &Table, name: &str) -> Result<usize, NoColumn> {
    let found = table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
    found.ok_or_else(|| NoColumn(name.to_owned()))
}

impl Condition {
    fn holds(&self, cell: Option<&[u8]>, kind: Kind) -> bool {
        let order = |cell| compare(cell, self.value.as_bytes(), kind);
        // As in SQL, NULL is neither like nor unlike anything.
        match (self.test, cell) {
            (Test::Null, cell) => cell.is_none(),
            (Test::NotNull, cell) => cell.is_some(),
            (_, None) => false,
            (Test::Equal, Some(cell)) => order(cell).is_eq(),
            (Test::Unequal, Some(cell)) => order(cell).is_ne(),
            (Test::Less, Some(cell)) => order(cell).is_lt(),
            (Test::LessOrEqual, Some(cell)) => order(cell).is_le(),
            (Test::Greater, Some(cell)) => order(cell).is_gt(),
            (Test::GreaterOrEqual, Some(cell)) => order(cell).is_ge(),
            (Test::Like, Some(cell)) => like(&self.value, &String::from_utf8_lossy(cell)),
            (Test::NotLike, Some(cell)) => !like(&self.value, &String::from_utf8_lossy(cell)),
        }
    }
}

fn number(bytes: &[u8]) -> Option<f64> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}

/// Numbers as numbers, texts without regard to the case of letters.
fn compare(one: &[u8], other: &[u8], kind: Kind) -> Ordering {
    if kind != Kind::Text
        && let (Some(one), Some(other)) = (number(one), number(other))
    {
        return one.total_cmp(&other);
    }
    one.to_ascii_lowercase().cmp(&other.to_ascii_lowercase())
}

/// `%` is any characters, `_` one, `\` takes the next as it is.
pub(super) fn like(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut at, mut here) = (0, 0);
    // Where to go on if what follows the last `%` does not fit.
    let mut retry = None;
    loop {
        let step = match pattern.get(at) {
            Some('%') => {
                retry = Some((at + 1, here));
                at += 1;
                continue;
            }
            Some('\\') if at + 1 < pattern.len() => (pattern.get(at + 1) == text.get(here)).then_some(2),
            Some('_') => (here < text.len()).then_some(1),
            Some(c) => (text.get(here) == Some(c)).then_some(1),
            None if here == text.len() => return true,
            None => None,
        };
        match (step, retry) {
            (Some(step), _) => (at, here) = (at + step, here + 1),
            (None, Some((after, from))) if from < text.len() => {
                (at, here) = (after, from + 1);
                retry = Some((after, from + 1));
            }
            (None, _) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::table::{Kind, Table};

    use super::{Condition, Filter, NoColumn, Test, like};

    fn table() -> Table {
        let mut table = Table::new("t", &[("name", Kind::Text), ("n", Kind::Count)]);
        for (name, n) in [("db1", Some("9")), ("DB2", Some("10")), ("other", None)] {
            table.rows.push(vec![Some(name.as_bytes().into()), n.map(|n| n.as_bytes().into())]);
        }
        table
    }

    fn names(filter: &Filter) -> Vec<String> {
        let mut table = table();
        filter.apply(&mut table).unwrap();
        table.rows.iter().map(|row| String::from_utf8(row[0].clone().unwrap().into()).unwrap()).collect()
    }

    fn only(column: Option<&str>, test: Test, value: &str) -> Vec<String> {
        let condition = Condition { column: column.map(str::to_owned), test, value: value.to_owned() };
        names(&Filter { conditions: vec![condition], ..Filter::default() })
    }

    #[test]
    fn rows_are_chosen_as_in_sql() {
        assert_eq!(only(None, Test::Like, "db%"), ["db1", "DB2"]);
        assert_eq!(only(Some("N"), Test::Less, "10"), ["db1"]);
        assert_eq!(only(Some("n"), Test::GreaterOrEqual, "9"), ["db1", "DB2"]);
        assert_eq!(only(Some("n"), Test::Unequal, "9"), ["DB2"]);
        assert_eq!(only(Some("n"), Test::Null, ""), ["other"]);
        assert_eq!(only(Some("name"), Test::Equal, "db2"), ["DB2"]);
        let both = [("n", Test::NotNull, ""), ("name", Test::NotLike, "%1")];
        let conditions = both.map(|(column, test, value)| Condition {
            column: Some(column.to_owned()),
            test,
            value: value.to_owned(),
        });
        assert_eq!(names(&Filter { conditions: conditions.into(), ..Filter::default() }), ["DB2"]);
    }

    #[test]
    fn rows_are_put_in_order_and_counted_out() {
        let order = |column: &str, descending| Some((column.to_owned(), descending));
        assert_eq!(names(&Filter { order: order("n", true), ..Filter::default() }), ["DB2", "db1", "other"]);
        assert_eq!(names(&Filter { order: order("n", false), limit: Some(1), ..Filter::default() }), ["other"]);
    }

    #[test]
    fn a_column_that_is_not_there_is_named() {
        let wrong = Filter { order: Some(("size".to_owned(), false)), ..Filter::default() };
        assert_eq!(wrong.apply(&mut table()), Err(NoColumn("size".to_owned())));
    }

    #[test]
    fn patterns_are_those_of_like() {
        for (pattern, text, fits) in [
            ("%", "", true),
            ("a%c", "abbc", true),
            ("a%c", "abbcd", false),
            ("%b%b", "abcb", true),
            ("_b", "ab", true),
            ("_b", "b", false),
            ("a\\_b", "axb", false),
            ("a\\_b", "a_B", true),
            ("Ä%", "äh", true),
            ("", "a", false),
        ] {
            assert_eq!(like(pattern, text), fits, "{pattern} {text}");
        }
    }
}
