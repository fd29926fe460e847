//! The words that the classifier asks about.

macro_rules! keywords {
    ($($name:ident = $text:literal,)*) => {
        /// A word that means something to the classifier; [`Kw::None`] is every other.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each is the word it is named for")]
        pub enum Kw { None, $($name,)* }

        const WORDS: &[(&str, Kw)] = &[("", Kw::None), $(($text, Kw::$name),)*];
    };
}

keywords! {
    // First those that both servers take for keywords or functions of their own before a parenthesis.
    Select = "select", From = "from", Where = "where", And = "and", Or = "or", Not = "not", In = "in", On = "on",
    As = "as", By = "by", Set = "set", Values = "values", Insert = "insert", Into = "into", Update = "update",
    Delete = "delete", Replace = "replace", Join = "join", Limit = "limit", Order = "order", Group = "group",
    Having = "having", Union = "union", Except = "except", Intersect = "intersect", Is = "is", Null = "null",
    For = "for", If = "if", Case = "case", When = "when", Then = "then", Else = "else", Exists = "exists",
    Using = "using", All = "all", Distinct = "distinct", Distinctrow = "distinctrow", Count = "count", Sum = "sum",
    Max = "max", Min = "min", Now = "now", Key = "key", Primary = "primary", Index = "index", Partition = "partition",
    Interval = "interval", Over = "over", Table = "table", With = "with", Recursive = "recursive",
    References = "references", Ignore = "ignore", LowPriority = "low_priority", HighPriority = "high_priority",
    Delayed = "delayed", Call = "call", Constraint = "constraint", Div = "div", Mod = "mod", Xor = "xor",
    Like = "like", Rlike = "rlike", Regexp = "regexp", Between = "between", Collate = "collate", Binary = "binary",
    Lock = "lock", Release = "release", Show = "show", Kill = "kill", Load = "load", Drop = "drop", Create = "create",
    Alter = "alter", Explain = "explain", Describe = "describe", Desc = "desc", Analyze = "analyze", Use = "use",
    True = "true", False = "false", Default = "default", StraightJoin = "straight_join", Read = "read",
    SqlCalcFoundRows = "sql_calc_found_rows", SqlSmallResult = "sql_small_result", SqlBigResult = "sql_big_result",
    Procedure = "procedure", Trigger = "trigger", Grant = "grant", Revoke = "revoke", Rename = "rename",
    Optimize = "optimize", Signal = "signal", Resignal = "resignal", Loop = "loop", While = "while", Repeat = "repeat",
    Declare = "declare", Character = "character", To = "to", Returning = "returning", Asc = "asc",
    // From here on: words that name something else in one server or the other.
    Function = "function", Event = "event", View = "view", Package = "package", Tables = "tables",
    Temporary = "temporary", Global = "global", Session = "session", Local = "local", Persist = "persist",
    PersistOnly = "persist_only", Names = "names", Charset = "charset", Transaction = "transaction", Role = "role",
    Password = "password", Resource = "resource", Statement = "statement", Immediate = "immediate",
    Begin = "begin", Start = "start", Commit = "commit", Rollback = "rollback", Savepoint = "savepoint", Work = "work",
    Chain = "chain", No = "no", End = "end", Do = "do", Prepare = "prepare", Execute = "execute",
    Deallocate = "deallocate", Handler = "handler", Open = "open", Close = "close", Xa = "xa", Flush = "flush",
    Unlock = "unlock", Instance = "instance", Backup = "backup", Stage = "stage", Export = "export",
    Warnings = "warnings", Errors = "errors", Processlist = "processlist", Full = "full", Get = "get",
    Diagnostics = "diagnostics", Query = "query", Connection = "connection", Hard = "hard", Soft = "soft",
    User = "user", Id = "id", Truncate = "truncate", Install = "install", Uninstall = "uninstall", Import = "import",
    Repair = "repair", Binlog = "binlog", Share = "share", Next = "next", Value = "value", NextVal = "nextval",
    SetVal = "setval", Sequence = "sequence", GetLock = "get_lock", ReleaseLock = "release_lock",
    ReleaseAllLocks = "release_all_locks", ServiceReadLocks = "service_get_read_locks",
    ServiceWriteLocks = "service_get_write_locks", TokensShared = "version_tokens_lock_shared",
    TokensExclusive = "version_tokens_lock_exclusive", LastInsertId = "last_insert_id", RowCount = "row_count",
    FoundRows = "found_rows", ConnectionId = "connection_id", Atomic = "atomic", Window = "window", Fetch = "fetch",
    SqlBufferResult = "sql_buffer_result", SqlNoCache = "sql_no_cache", SqlCache = "sql_cache", Unknown = "unknown",
    Offset = "offset", Escape = "escape", Sounds = "sounds", Extended = "extended", Member = "member", Of = "of",
    Leave = "leave", Iterate = "iterate", Return = "return", Until = "until", Elseif = "elseif",
    Authorization = "authorization", Rollup = "rollup",
}

impl Kw {
    /// The keyword that `word` is, in any letter case.
    #[must_use]
    pub fn of(word: &[u8]) -> Self {
        if word.len() < 2 || word.len() > LONGEST {
            return Self::None;
        }
        let key = key(word);
        let mut slot = slot(key, word.len());
        loop {
            let entry = &ENTRIES[usize::from(SLOTS[slot])];
            let same = entry.key == key && usize::from(entry.len) == word.len();
            if entry.len == 0 || (same && (word.len() <= 8 || entry.text.as_bytes().eq_ignore_ascii_case(word))) {
                return entry.kw;
            }
            slot = (slot + 1) % SLOTS.len();
        }
    }

    /// Whether a parenthesis after it never calls a stored function, on either server.
    #[must_use]
    pub const fn never_calls(self) -> bool {
        (self as u8) < (Self::Function as u8) && !matches!(self, Self::None)
    }
}

// -- the hash table, filled by the compiler --

const LONGEST: usize = "version_tokens_lock_exclusive".len();

struct Entry {
    key: u64,
    len: u8,
    kw: Kw,
    text: &'static str,
}

/// By number; the first stands for no word.
static ENTRIES: [Entry; WORDS.len()] = entries();
/// Numbers of entries by hash.
static SLOTS: [u8; 2048] = slots();

const fn entries() -> [Entry; WORDS.len()] {
    let mut entries = [const { Entry { key: 0, len: 0, kw: Kw::None, text: "" } }; WORDS.len()];
    let mut word = 1;
    while word < WORDS.len() {
        let (text, kw) = WORDS[word];
        entries[word] = Entry { key: key(text.as_bytes()), len: text.len() as u8, kw, text };
        word += 1;
    }
    entries
}

const fn slots() -> [u8; 2048] {
    let mut slots = [0; 2048];
    let mut word = 1;
    while word < WORDS.len() {
        let text = WORDS[word].0.as_bytes();
        let mut at = slot(key(text), text.len());
        while slots[at] != 0 {
            at = (at + 1) % slots.len();
        }
        slots[at] = word as u8;
        word += 1;
    }
    slots
}

/// Sets the bit that makes letters of either case alike.
const FOLD: u64 = 0x2020_2020_2020_2020;

/// All letters of a word of two to eight, either case alike; of a longer one a mix of both ends.
const fn key(word: &[u8]) -> u64 {
    if let (Some(head), Some(tail)) = (word.first_chunk(), word.last_chunk()) {
        let (head, tail) = (u64::from_le_bytes(*head) | FOLD, u64::from_le_bytes(*tail) | FOLD);
        return if word.len() == 8 { head } else { head ^ tail.rotate_left(13) };
    }
    if let (Some(head), Some(tail)) = (word.first_chunk(), word.last_chunk()) {
        return (u32::from_le_bytes(*head) as u64 | (u32::from_le_bytes(*tail) as u64) << 32) | FOLD;
    }
    if let (Some(head), Some(tail)) = (word.first_chunk(), word.last()) {
        return (u16::from_le_bytes(*head) as u64 | (*tail as u64) << 16) | FOLD;
    }
    FOLD
}

const fn slot(key: u64, len: usize) -> usize {
    ((key ^ len as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 53) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_in_any_case() {
        assert!(WORDS.len() < 256);
        for (text, kw) in &WORDS[1..] {
            assert_eq!(Kw::of(text.as_bytes()), *kw, "{text}");
            assert_eq!(Kw::of(text.to_uppercase().as_bytes()), *kw, "{text}");
            assert_eq!(Kw::of(format!("{text}x").as_bytes()), Kw::None, "{text}x");
        }
    }

    #[test]
    fn words_that_never_call_are_the_servers_own() {
        use crate::sql::builtin::is_builtin;
        use crate::sql::mode::{Flavor, Mode};
        let modes = [Mode::new(Flavor::MySql, 90704), Mode::new(Flavor::MariaDb, 101_119)];
        for (text, kw) in WORDS.iter().filter(|(_, kw)| kw.never_calls()) {
            assert!(modes.iter().all(|mode| is_builtin(text.as_bytes(), mode)), "{kw:?}");
        }
    }

    #[test]
    fn probes_are_short() {
        let filled = SLOTS.iter().filter(|slot| **slot != 0).count();
        assert_eq!(filled, WORDS.len() - 1);
        let runs = SLOTS.split(|slot| *slot == 0).map(<[u8]>::len).max();
        assert!(runs < Some(12), "{runs:?}");
    }
}
