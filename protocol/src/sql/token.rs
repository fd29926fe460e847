//! What the lexer gives: tokens, and the trait that receives them.

/// One token. Names longer than [`MAX_NAME`] bytes arrive cut off: nothing known is that long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    /// An unquoted name or keyword, in the letter case it was written.
    Word(&'a [u8]),
    /// A quoted name without its quotes.
    Quoted(&'a [u8]),
    /// A string literal; its content went to [`Sink::text`].
    Text,
    /// A number; the value where it is a plain decimal integer that fits.
    Number(Option<u64>),
    /// `@name`, quoted or not.
    UserVar,
    /// The `@@` before a system variable's name.
    SysVar,
    /// `:=`
    Assign,
    /// Any other byte that means something, one at a time.
    Punct(u8),
    /// A comment, or a version comment that the server skips.
    Comment,
    /// An optimizer hint `/*+ … */`.
    Hint {
        /// It speaks of `SET_VAR`.
        set_var: bool,
    },
    /// The brackets of a version comment whose content is code.
    VersionMark,
    /// Bytes that servers of this kind may read in more than one way.
    Uncertain,
}

/// How many bytes of a name are kept.
pub const MAX_NAME: usize = 64;

/// Receives tokens in order.
pub trait Sink {
    /// One token, and where it stands, in bytes from the first byte ever fed.
    fn token(&mut self, token: Token<'_>, start: usize, end: usize);

    /// A piece of the content of the string literal that ends with the next [`Token::Text`], unescaped.
    fn text(&mut self, _piece: &[u8]) {}
}
