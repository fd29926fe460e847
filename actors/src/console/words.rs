//! The words of a console's command. Pure.

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// A keyword or a name, bare or in backticks; also a number with a unit.
    Name,
    /// In quotes.
    Text,
    /// A number.
    Number,
    /// `@@name` or `@name`, without its signs.
    Variable,
    /// Anything else, one sign at a time; comparisons whole.
    Sign,
}

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) sort: Sort,
    pub(super) text: String,
    /// Where it stands, in bytes.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The words of a statement, up to a `;` that ends it. `None`: a quote or a comment is not closed.
pub(super) fn words(statement: &str) -> Option<Vec<Word>> {
    let mut cutter = Cutter { text: statement, at: 0, words: Vec::new() };
    while cutter.at < statement.len() {
        cutter.step()?;
    }
    let mut words = cutter.words;
    while words.last().is_some_and(|word| word.sort == Sort::Sign && word.text == ";") {
        words.pop();
    }
    Some(words)
}

struct Cutter<'t> {
    text: &'t str,
    at: usize,
    words: Vec<Word>,
}

/// `-` stands in names of nodes; nobody calculates here.
fn is_inner(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '-')
}

impl Cutter<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn step(&mut self) -> Option<()> {
        let rest = self.rest();
        let first = rest.chars().next()?;
        // What such comments hold is meant for servers, and this is like one.
        if let Some(version) = rest.strip_prefix("/*!").or_else(|| rest.strip_prefix("/*M!")) {
            self.at = self.text.len() - version.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        } else if rest.starts_with("*/") {
            self.at += 2;
        } else if rest.starts_with("/*") {
            self.at += rest.get(2..)?.find("*/")? + 4;
        } else if first == '#'
            || rest
                .strip_prefix("--")
                .is_some_and(|rest| rest.chars().all(char::is_whitespace) || rest.starts_with(char::is_whitespace))
        {
            self.at += rest.find('\n').unwrap_or(rest.len());
        } else if first.is_whitespace() {
            self.at += first.len_utf8();
        } else if matches!(first, '\'' | '"' | '`') {
            self.quoted(first, if first == '`' { Sort::Name } else { Sort::Text }, self.at)?;
        } else if first == '@' {
            self.variable()?;
        } else if first.is_alphanumeric() || first == '_' {
            self.bare();
        } else {
            self.sign();
        }
        Some(())
    }

    fn push(&mut self, sort: Sort, text: String, start: usize) {
        self.words.push(Word { sort, text, start, end: self.at });
    }

    fn quoted(&mut self, quote: char, sort: Sort, start: usize) -> Option<()> {
        let (mut text, mut chars) = (String::new(), self.rest().char_indices().skip(1).peekable());
        let used = loop {
            match chars.next()? {
                (_, c) if c == quote => match chars.peek() {
                    Some((_, next)) if *next == quote => {
                        chars.next();
                        text.push(quote);
                    }
                    Some((at, _)) => break *at,
                    None => break self.rest().len(),
                },
                // What LIKE is to take literally keeps its backslash.
                (_, '\\') if quote != '`' => match chars.next()?.1 {
                    c @ ('%' | '_') => text.extend(['\\', c]),
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    '0' => text.push('\0'),
                    c => text.push(c),
                },
                (_, c) => text.push(c),
            }
        };
        self.at += used;
        self.push(sort, text, start);
        Some(())
    }

    fn variable(&mut self) -> Option<()> {
        let start = self.at;
        self.at += self.rest().chars().take_while(|c| *c == '@').count();
        let first = self.rest().chars().next()?;
        if matches!(first, '`' | '\'' | '"') {
            return self.quoted(first, Sort::Variable, start);
        }
        let name: String = self.rest().chars().take_while(|c| is_inner(*c) || *c == '.').collect();
        self.at += name.len();
        self.push(Sort::Variable, name, start);
        Some(())
    }

    fn bare(&mut self) {
        let (start, rest) = (self.at, self.rest());
        let number = rest.starts_with(|c: char| c.is_ascii_digit());
        let word: String = rest.chars().take_while(|c| is_inner(*c) || number && *c == '.').collect();
        self.at += word.len();
        let sort = if word.parse::<f64>().is_ok_and(f64::is_finite) { Sort::Number } else { Sort::Name };
        self.push(sort, word, start);
    }

    fn sign(&mut self) {
        let (start, rest) = (self.at, self.rest());
        let pairs = ["<=>", "<=", ">=", "!=", "<>", ":=", "&&", "||"];
        let sign = pairs.into_iter().find(|pair| rest.starts_with(pair)).map(str::to_owned);
        let sign = sign.unwrap_or_else(|| rest.chars().take(1).collect());
        self.at += sign.len();
        self.push(Sort::Sign, sign, start);
    }
}

#[cfg(test)]
mod tests {
    use super::{Sort, words};

    fn cut(text: &str) -> Vec<(Sort, String)> {
        words(text).unwrap().into_iter().map(|word| (word.sort, word.text)).collect()
    }

    #[test]
    fn words_are_told_apart() {
        use Sort::{Name, Number, Sign, Text, Variable};
        let is = |sort, text: &str| (sort, text.to_owned());
        assert_eq!(
            cut("/* x */ show `cli``ents` where seconds >= 1.5 and user = 'a''b\\'c' ; -- end"),
            [
                is(Name, "show"),
                is(Name, "cli`ents"),
                is(Name, "where"),
                is(Name, "seconds"),
                is(Sign, ">="),
                is(Number, "1.5"),
                is(Name, "and"),
                is(Name, "user"),
                is(Sign, "="),
                is(Text, "a'b'c"),
            ]
        );
        assert_eq!(
            cut("SET @@session.x=5s, `a.b`:=@c"),
            [
                is(Name, "SET"),
                is(Variable, "session.x"),
                is(Sign, "="),
                is(Name, "5s"),
                is(Sign, ","),
                is(Name, "a.b"),
                is(Sign, ":="),
                is(Variable, "c"),
            ]
        );
        assert_eq!(cut("/*!40101 SET NAMES utf8 */").len(), 3);
        assert_eq!(cut("DRAIN db-1"), [is(Name, "DRAIN"), is(Name, "db-1")]);
        assert_eq!(cut("LIKE 'a\\_b%'"), [is(Name, "LIKE"), is(Text, "a\\_b%")]);
    }

    #[test]
    fn what_is_not_closed_is_no_statement() {
        for text in ["'a", "/* a", "/*/", "SELECT `a", "'a\\", "@"] {
            assert!(words(text).is_none(), "{text}");
        }
        assert!(words(" ;; ").unwrap().is_empty());
    }
}
