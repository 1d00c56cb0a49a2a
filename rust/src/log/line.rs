// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One message as it is written.

use std::fmt::{self, Write};

use super::Level;

/// The longest message, in bytes; what is beyond is cut off.
pub const MAX_MESSAGE: usize = 4096;

/// One message. What does not fit is cut off; what a terminal would obey is written as an escape.
pub(super) struct Line {
    bytes: [u8; MAX_MESSAGE],
    length: usize,
}

impl Line {
    /// Nothing yet.
    pub fn new() -> Self {
        Line { bytes: [0; MAX_MESSAGE], length: 0 }
    }

    /// What is to be written.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// The whole message, with the level's word and a newline.
    pub fn message(&mut self, level: Level, text: fmt::Arguments<'_>, help: Option<&str>, coloured: bool) {
        let (name, colour) = level.name();
        let (on, off) = if coloured { (colour, "\x1b[0m") } else { ("", "") };
        self.push("pinion: ");
        self.push(on);
        self.push(name);
        self.push(off);
        self.push(": ");
        self.content(text, help, "\n  help: ");
        self.end();
    }

    /// The text, and what helps behind the words for that.
    pub fn content(&mut self, text: fmt::Arguments<'_>, help: Option<&str>, helps: &str) {
        // The only error is that the line is full: the rest is cut off.
        let _ = self.write_fmt(text);
        if let Some(help) = help {
            self.push(helps);
            let _ = self.write_str(help);
        }
    }

    /// What was added: whole letters only.
    pub fn text(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap_or_default()
    }

    /// Adds text as it is, if all of it fits before the final newline.
    fn push(&mut self, text: &str) -> bool {
        let end = self.length + text.len();
        match self.bytes.get_mut(self.length..end) {
            Some(room) if end < MAX_MESSAGE => {
                room.copy_from_slice(text.as_bytes());
                self.length = end;
                true
            }
            _ => false,
        }
    }

    fn end(&mut self) {
        if let Some(last) = self.bytes.get_mut(self.length) {
            *last = b'\n';
            self.length += 1;
        }
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            let harmless = !letter.is_control() || letter == '\n' || letter == '\t';
            let added = if harmless {
                self.push(letter.encode_utf8(&mut [0; 4]))
            } else {
                letter.escape_default().all(|letter| self.push(letter.encode_utf8(&mut [0; 4])))
            };
            if !added {
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(level: Level, text: &str, help: Option<&str>, coloured: bool) -> String {
        let mut line = Line::new();
        line.message(level, format_args!("{text}"), help, coloured);
        String::from_utf8(line.bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_message_says_how_bad_it_is_and_what_helps() {
        assert_eq!(line(Level::ERROR, "no", None, false), "pinion: error: no\n");
        assert_eq!(line(Level::WARNING, "no", Some("yes"), false), "pinion: warning: no\n  help: yes\n");
        assert_eq!(line(Level::ERROR, "no", None, true), "pinion: \x1b[31merror\x1b[0m: no\n");
        assert_eq!(line(Level(3), "a\tb\nc", None, false), "pinion: verbose: a\tb\nc\n");
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(
            line(Level::INFO, "\x1b[2J\r\u{9b}é", None, true),
            "pinion: \x1b[34minfo\x1b[0m: \\u{1b}[2J\\r\\u{9b}é\n"
        );
    }

    #[test]
    fn a_long_message_is_cut_at_a_letter() {
        let long = "é".repeat(MAX_MESSAGE);
        let text = line(Level::LOG, &long, Some("help"), false);
        assert!(text.len() <= MAX_MESSAGE && text.len() > MAX_MESSAGE - 3);
        assert!(text.ends_with("é\n"));
    }
}
