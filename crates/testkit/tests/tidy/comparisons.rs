//! Comparisons: a secret is compared in a time that tells nothing about it.
//!
//! `==` stops at the first byte that differs, and who measures that guesses a secret byte by byte. In code that looks at
//! credentials, what is called a secret, hash, token or the like goes through `subtle::ConstantTimeEq`.

use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::house::{File, files};

/// Where credentials are looked at.
const LOOKED_AT: &str = "crates/server/src/";

/// With what the name of a value ends that somebody could guess at.
const GUESSED: [&str; 8] =
    ["secret", "hash", "token", "ticket", "signature", "mac", "digest", "password"];

/// Calls that give the same value in another form, and those that wrap one.
const SAME: [&str; 17] = [
    "as_bytes",
    "as_deref",
    "as_ref",
    "as_slice",
    "as_str",
    "borrow",
    "clone",
    "cloned",
    "copied",
    "deref",
    "expose",
    "into",
    "reveal",
    "to_owned",
    "to_string",
    "to_vec",
    "trim",
];
const WRAPPERS: [&str; 2] = ["Ok", "Some"];

/// Words that end an expression to their right or left.
const KEYWORDS: [&str; 8] = ["else", "if", "in", "let", "match", "move", "return", "while"];

/// Comparisons that tell nothing: where, of what, and why.
const ALLOWED: [(&str, &str, &str); 0] = [];

/// Comparisons with `==` and `!=`, outside of tests, of values that somebody could guess at.
fn compared_in_the_open(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| is_looked_at(&file.path)) {
        let Some(text) = &file.text else { continue };
        // That it is Rust is another rule's matter.
        let Ok(tokens) = TokenStream::from_str(text) else { continue };
        let mut names = Vec::new();
        compared(&tokens.into_iter().collect::<Vec<_>>(), &mut names);
        let names = names.iter().filter(|name| {
            !ALLOWED.iter().any(|(path, allowed, _)| *path == file.path && allowed == name)
        });
        complaints.extend(names.map(|name| format!("{} compares {name}", file.path)));
    }
    complaints
}

fn is_looked_at(path: &str) -> bool {
    let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
    path.starts_with(LOOKED_AT) && path.ends_with(".rs") && !is_test
}

/// Adds to `names` what is compared anywhere in `tokens`.
fn compared(tokens: &[TokenTree], names: &mut Vec<String>) {
    for (index, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) if !is_tests(&tokens[..index], group.delimiter()) => {
                compared(&group.stream().into_iter().collect::<Vec<_>>(), names);
            }
            TokenTree::Punct(_) if is_comparison(tokens, index) => {
                let sides = [left(&tokens[..index]), right(&tokens[index + 2..])];
                let named = sides.into_iter().filter_map(name);
                names.extend(named.filter(|name| is_guessed(name)));
            }
            _ => {}
        }
    }
}

/// Whether what stands behind `before` is the body of `mod tests`.
fn is_tests(before: &[TokenTree], delimiter: Delimiter) -> bool {
    let [.., TokenTree::Ident(word), TokenTree::Ident(name)] = before else { return false };
    delimiter == Delimiter::Brace && word == "mod" && name == "tests"
}

/// Whether `==` or `!=` begins at `index`.
fn is_comparison(tokens: &[TokenTree], index: usize) -> bool {
    let sign = |index: usize| match tokens.get(index) {
        Some(TokenTree::Punct(sign)) => Some(sign.as_char()),
        _ => None,
    };
    let before = index.checked_sub(1).and_then(sign);
    matches!(sign(index), Some('=' | '!')) && sign(index + 1) == Some('=') && before != Some('=')
}

/// The operand that `tokens` end with.
fn left(tokens: &[TokenTree]) -> &[TokenTree] {
    let length = tokens.iter().rev().take_while(|token| is_of_operand(token)).count();
    &tokens[tokens.len() - length..]
}

/// The operand that `tokens` begin with, without what it is dereferenced or borrowed by.
fn right(tokens: &[TokenTree]) -> &[TokenTree] {
    let is_prefix = |token: &&TokenTree| matches!(token, TokenTree::Punct(sign) if "&*".contains(sign.as_char()));
    let tokens = &tokens[tokens.iter().take_while(is_prefix).count()..];
    &tokens[..tokens.iter().take_while(|token| is_of_operand(token)).count()]
}

/// Whether an operand goes on with `token`: a path, fields, calls, indices and `?`.
fn is_of_operand(token: &TokenTree) -> bool {
    match token {
        TokenTree::Ident(word) => !KEYWORDS.iter().any(|keyword| word == keyword),
        TokenTree::Group(group) => group.delimiter() != Delimiter::Brace,
        TokenTree::Punct(sign) => ".:?".contains(sign.as_char()),
        TokenTree::Literal(_) => true,
    }
}

/// What the value of an operand is called: its last field, variable or call that is not the same value in another form.
fn name(operand: &[TokenTree]) -> Option<String> {
    let inside = |group: &TokenTree| match group {
        TokenTree::Group(group) => {
            let tokens: Vec<_> = group.stream().into_iter().collect();
            name(left(&tokens))
        }
        _ => None,
    };
    match operand {
        [] => None,
        [before @ .., TokenTree::Ident(call), _] if SAME.iter().any(|same| call == same) => {
            name(before)
        }
        [.., TokenTree::Ident(call), group @ TokenTree::Group(_)]
            if WRAPPERS.iter().any(|wrapper| call == wrapper) =>
        {
            inside(group)
        }
        [.., TokenTree::Ident(word)] | [.., TokenTree::Ident(word), TokenTree::Group(_)] => {
            Some(word.to_string())
        }
        [group @ TokenTree::Group(_)] => inside(group),
        // A sign, an index or a literal.
        [before @ .., _] => name(before),
    }
}

/// Whether a value of this name could be guessed at. A constant could not: it is in the program for all to read.
fn is_guessed(name: &str) -> bool {
    let is_constant = !name.contains(char::is_lowercase);
    !is_constant && name.rsplit('_').next().is_some_and(|word| GUESSED.contains(&word))
}

#[test]
fn secrets_are_compared_in_a_time_that_tells_nothing() {
    assert_eq!(compared_in_the_open(files()), [""; 0]);
}

#[test]
fn what_is_allowed_is_there() {
    for (path, name, reason) in ALLOWED {
        let file = files().iter().find(|file| file.path == path);
        let text = file.and_then(|file| file.text.as_deref()).unwrap_or_default();
        assert!(text.contains(name) && !reason.is_empty(), "{path} {name}");
    }
}

#[test]
fn a_secret_that_is_compared_in_the_open_is_noticed() {
    let found = |code: &str| {
        let file = File::of_text("crates/server/src/door/new.rs", &format!("fn f() {{ {code} }}"));
        let complaints = compared_in_the_open(&[file]);
        complaints
            .iter()
            .map(|line| line.split(' ').next_back().unwrap().to_owned())
            .collect::<Vec<_>>()
    };

    for (code, name) in [
        ("if hash == given {}", "hash"),
        ("stored.csrf_token != *other", "csrf_token"),
        ("given == &ticket.reveal().as_str()", "ticket"),
        ("Some(password) == kept.as_deref()", "password"),
        ("kept.is_some_and(|secret| secret == given)", "secret"),
        ("let is_right = (given.digest()) == wanted", "digest"),
        ("x && tag != mac.as_ref() || y", "mac"),
        ("hash[..4] == given[..4]", "hash"),
        ("found.signature? == given", "signature"),
        ("assert!(token == given)", "token"),
    ] {
        assert_eq!(found(code), [name], "{code}");
    }
    for code in [
        "token.algorithm() == other && secret.len() == 3",
        "name == SECRET || session.method != password::METHOD",
        "bool::from(hash.ct_eq(given)) == true",
        "let hash = given; hash >= other",
        "kind == Some(token.kind)",
        "tokens == given",
        "mod tests { fn g() { hash == given } }",
        "let text = \"hash == given\"; // token == given",
    ] {
        assert_eq!(found(code), [""; 0], "{code}");
    }
}
