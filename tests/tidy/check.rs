//! The checkers: a source in, its faults out. Each is shown a fault below.

use syn::{
    Attribute, Block, File, ImplItemFn, ItemFn, ItemImpl, Meta, Signature, TraitItemFn,
    visit::{self, Visit},
};

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;
const ACTOR_HEAD: [&str; 4] = ["//! owns:", "//! is told:", "//! tells:", "//! ends when:"];

fn parsed(source: &str) -> Result<File, Vec<String>> {
    syn::parse_file(source).map_err(|error| vec![format!("does not parse: {error}")])
}

/// Files that are too long.
pub(crate) fn file_length(source: &str) -> Vec<String> {
    let lines = source.lines().count();
    if lines > FILE_LINES { vec![format!("{lines} lines; at most {FILE_LINES}")] } else { Vec::new() }
}

/// Functions that are too long, from the signature to the closing brace.
pub(crate) fn function_lengths(source: &str) -> Vec<String> {
    struct Lengths(Vec<String>);
    impl Lengths {
        fn measure(&mut self, signature: &Signature, block: &Block) {
            let (first, last) = (signature.fn_token.span.start().line, block.brace_token.span.close().end().line);
            let lines = last - first + 1;
            if lines > FUNCTION_LINES {
                self.0.push(format!("{first}: {} has {lines} lines; at most {FUNCTION_LINES}", signature.ident));
            }
        }
    }
    impl<'ast> Visit<'ast> for Lengths {
        fn visit_item_fn(&mut self, item: &'ast ItemFn) {
            self.measure(&item.sig, &item.block);
            visit::visit_item_fn(self, item);
        }
        fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
            self.measure(&item.sig, &item.block);
            visit::visit_impl_item_fn(self, item);
        }
        fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
            if let Some(block) = &item.default {
                self.measure(&item.sig, block);
            }
            visit::visit_trait_item_fn(self, item);
        }
    }
    let mut lengths = Lengths(Vec::new());
    match parsed(source) {
        Ok(file) => lengths.visit_file(&file),
        Err(faults) => return faults,
    }
    lengths.0
}

/// `allow` and `expect` attributes that do not say why.
pub(crate) fn silenced_without_reason(source: &str) -> Vec<String> {
    struct Silenced(Vec<String>);
    impl<'ast> Visit<'ast> for Silenced {
        fn visit_attribute(&mut self, attribute: &'ast Attribute) {
            let silences = ["allow", "expect"].iter().any(|name| attribute.path().is_ident(name));
            let Meta::List(list) = &attribute.meta else { return };
            if silences && !list.tokens.to_string().contains("reason = \"") {
                let line = attribute.pound_token.span.start().line;
                self.0.push(format!("{line}: a lint is silenced without a reason"));
            }
        }
    }
    let mut silenced = Silenced(Vec::new());
    match parsed(source) {
        Ok(file) => silenced.visit_file(&file),
        Err(faults) => return faults,
    }
    silenced.0
}

/// Files with an actor whose first lines are not the four that every actor's file begins with.
///
/// A line may be continued by indented ones.
pub(crate) fn actor_heads(source: &str) -> Vec<String> {
    struct Actors(usize);
    impl<'ast> Visit<'ast> for Actors {
        fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
            let last = item.trait_.as_ref().and_then(|(path, _)| path.segments.last());
            self.0 += usize::from(last.is_some_and(|segment| segment.ident == "Actor"));
            visit::visit_item_impl(self, item);
        }
    }
    let mut actors = Actors(0);
    match parsed(source) {
        Ok(file) => actors.visit_file(&file),
        Err(faults) => return faults,
    }
    let head = source.lines().filter(|line| !line.starts_with("//!  ")).take(ACTOR_HEAD.len());
    let right = head.zip(ACTOR_HEAD).filter(|(line, key)| line.starts_with(key)).count() == ACTOR_HEAD.len();
    if actors.0 > 0 && !right {
        vec![format!("an actor's file begins with {}", ACTOR_HEAD.join(", "))]
    } else {
        Vec::new()
    }
}

/// Marks of unfinished work, and paths that exist on one machine only.
///
/// The words are put together here, lest this file be found.
pub(crate) fn marks(text: &str) -> Vec<String> {
    let words =
        ["to".to_owned() + "do!", "unimpl".to_owned() + "emented!", "TO".to_owned() + "DO", "FIX".to_owned() + "ME"];
    let folders = ["root", "home", "work", "farm"].map(|folder| format!("/{folder}/"));
    let mut faults = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for word in words.iter().filter(|word| line.contains(word.as_str())) {
            faults.push(format!("{}: {word}", index + 1));
        }
        for folder in folders.iter().filter(|folder| names_path(line, folder)) {
            faults.push(format!("{}: a path of one machine, {folder}", index + 1));
        }
    }
    faults
}

/// Whether `folder` begins a path here: not in the middle of one, as in an address or a relative path.
fn names_path(line: &str, folder: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | ')' | '/' | '*' | '$');
    line.match_indices(folder).any(|(at, _)| !line[..at].ends_with(inside))
}

#[test]
fn a_long_file_is_found() {
    assert_eq!(file_length(&"x\n".repeat(501)), ["501 lines; at most 500"]);
    assert!(file_length(&"x\n".repeat(500)).is_empty());
}

#[test]
fn a_long_function_is_found_wherever_it_stands() {
    let body = |lines: usize| format!("{{\n{}}}", "let _ = 1;\n".repeat(lines));
    assert_eq!(function_lengths(&format!("fn f() {}", body(69))), ["1: f has 71 lines; at most 70"]);
    assert!(function_lengths(&format!("fn f() {}", body(68))).is_empty());
    for place in ["impl S", "trait T", "mod m", "fn outer()"] {
        let faults = function_lengths(&format!("{place} {{ fn long() {} }}", body(69)));
        assert!(faults.iter().any(|fault| fault.contains("long has 71")), "{place}: {faults:?}");
    }
    assert_eq!(function_lengths("fn {").len(), 1, "what does not parse is a fault");
}

#[test]
fn a_lint_silenced_without_a_reason_is_found() {
    let found = |source: &str| silenced_without_reason(source).len();
    assert_eq!(found("#[allow(dead_code)] fn f() {}"), 1);
    assert_eq!(found("#![allow(dead_code)]"), 1);
    assert_eq!(found("fn f() { #[expect(unused)] let x = 1; }"), 1);
    assert_eq!(found("#[allow(dead_code, reason = \"so\")] fn f() {}"), 0);
    assert_eq!(found("#[test] fn f() {}"), 0);
}

#[test]
fn an_actor_without_its_head_is_found() {
    let actor = "struct A;\nimpl actix::Actor for A {}\n";
    let head = "//! owns: a\n//! is told: b\n//!     and c\n//! tells: d\n//! ends when: e\n";
    assert_eq!(actor_heads(actor).len(), 1);
    assert_eq!(actor_heads(&format!("//! A title.\n{head}{actor}")).len(), 1);
    assert_eq!(actor_heads(&format!("//! owns: a\n//! tells: d\n{actor}")).len(), 1);
    assert!(actor_heads(&format!("{head}{actor}")).is_empty());
    assert!(actor_heads("struct NoActor;").is_empty());
}

#[test]
fn unfinished_work_is_found() {
    let word = "to".to_owned() + "do!()";
    assert_eq!(marks(&word).len(), 1);
    assert_eq!(marks(&("// FIX".to_owned() + "ME: later")).len(), 1);
    assert!(marks("a method, a fixed one").is_empty());
}

#[test]
fn a_machine_path_is_found() {
    for path in ["/ro", "/ho"] {
        let rest = if path == "/ro" { "ot/x" } else { "me/x" };
        assert_eq!(marks(&format!("open \"{path}{rest}\"")).len(), 1);
        assert_eq!(marks(&format!("see example.org{path}{rest}")).len(), 0);
    }
}
