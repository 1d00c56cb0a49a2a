// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Go source as tokens, with the semicolons that Go adds at the ends of lines.

use super::{Fault, Found};

/// A piece of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// A name or a keyword.
    Name(&'a str),
    /// A number in any of Go's forms; which it is, its reader finds out.
    Number(&'a str),
    /// What follows a field for other packages, and gob does not read.
    Tag,
    /// One of `[ ] { } ( ) * , .`
    Mark(char),
    /// A semicolon, or a line's end where one is needed.
    Semicolon,
    /// The end of the text.
    End,
}

impl Token<'_> {
    /// Whether a line that ends with it ends a field or a declaration.
    fn ends_a_line(self) -> bool {
        matches!(self, Token::Name(_) | Token::Number(_) | Token::Tag | Token::Mark(']' | '}' | ')'))
    }
}

/// The tokens with their places; the last is the end.
pub fn tokens(text: &str) -> Result<Vec<(usize, Token<'_>)>, Fault> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, length) = match first {
            '\n' => (line_end(&tokens), 1),
            ' ' | '\t' | '\r' => (None, 1),
            ';' => (Some(Token::Semicolon), 1),
            '[' | ']' | '{' | '}' | '(' | ')' | '*' | ',' | '.' => (Some(Token::Mark(first)), 1),
            '`' | '"' => {
                (Some(Token::Tag), tag(rest).ok_or_else(|| fault(text, at, "the end of the tag", rest.len()))?)
            }
            // The line's end after it counts.
            '/' if rest.starts_with("//") => (None, rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => {
                let end = rest[2..].find("*/").ok_or_else(|| fault(text, at, "the end of the comment", rest.len()))?;
                (if rest[..end + 2].contains('\n') { line_end(&tokens) } else { None }, end + 4)
            }
            '0'..='9' => {
                let length = run(rest);
                (Some(Token::Number(&rest[..length])), length)
            }
            _ if first.is_alphabetic() || first == '_' => {
                let length = run(rest);
                (Some(Token::Name(&rest[..length])), length)
            }
            _ => return Err(fault(text, at, "Go's notation of a type", first.len_utf8())),
        };
        tokens.extend(token.map(|token| (at, token)));
        at += length;
    }
    tokens.push((text.len(), Token::End));
    Ok(tokens)
}

/// What a line's end is after these tokens.
fn line_end(tokens: &[(usize, Token<'_>)]) -> Option<Token<'static>> {
    tokens.last().filter(|(_, last)| last.ends_a_line()).map(|_| Token::Semicolon)
}

/// How many bytes letters and digits take.
fn run(text: &str) -> usize {
    text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len())
}

/// How many bytes a string takes that begins the text.
fn tag(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut escaped = false;
    for (place, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            '\n' if quote == '"' => return None,
            _ if letter == quote => return Some(place + 1),
            _ => {}
        }
    }
    None
}

fn fault(text: &str, at: usize, wanted: &'static str, length: usize) -> Fault {
    Fault { at, wanted: wanted.into(), found: Found::Text(text[at..at + length].chars().take(40).collect()) }
}
