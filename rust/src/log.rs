// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages for people, on the standard error stream or to the sink of the program around the core, and nowhere else: one
//! write(2) a message, from a buffer on the stack, so that messages of several processes do not mix and a full heap still
//! speaks.

mod line;
mod sink;

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::atomic::{AtomicI32, Ordering};

use line::Line;
pub use line::MAX_MESSAGE;
pub use sink::Sink;

use crate::error::{Error, ErrorKind, Result};

/// The variable that holds the message level where the host names no other.
pub const LEVEL_VARIABLE: &str = "PINION_MESSAGELEVEL";

/// Added to a level (taken from a negative one): the same without colours.
const PLAIN: i32 = 90;

/// How important a message is: the lower, the more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(i32);

impl Level {
    /// The level of this number, −4 to 5; numbers beyond mean the nearest.
    pub fn new(number: i32) -> Level {
        Level(number.clamp(-4, 5))
    }

    /// What ends the run.
    pub const FATAL: Level = Level(-4);
    /// What ended a step of it.
    pub const ERROR: Level = Level(-3);
    /// What goes on, but not as asked.
    pub const WARNING: Level = Level(-2);
    /// What is always worth a line.
    pub const LOG: Level = Level(-1);
    /// What a user wants to know. The default.
    pub const INFO: Level = Level(1);
    /// What was done, step by step.
    pub const VERBOSE: Level = Level(2);
    /// What only the makers want to know.
    pub const DEBUG: Level = Level(5);

    fn name(self) -> (&'static str, &'static str) {
        match self.0 {
            ..=-3 => ("error", "\x1b[31m"),
            -2 => ("warning", "\x1b[33m"),
            -1..=0 => ("log", "\x1b[0m"),
            1 => ("info", "\x1b[34m"),
            2..=4 => ("verbose", "\x1b[34m"),
            5.. => ("debug", "\x1b[36m"),
        }
    }
}

static LEVEL: AtomicI32 = AtomicI32::new(Level::INFO.0);

/// Sets the level up to which messages are written: −3 to 5, and beyond ±90 the same without colours.
pub fn set_level(level: i32) {
    LEVEL.store(level, Ordering::Relaxed);
}

/// The level as it was set.
pub fn level() -> i32 {
    LEVEL.load(Ordering::Relaxed)
}

/// Sets the level from an environment variable; info if it is unset. Errors: it is no whole number; the level is
/// info then.
pub fn set_level_from(variable: &str) -> Result<()> {
    let Some(value) = std::env::var_os(variable) else {
        set_level(Level::INFO.0);
        return Ok(());
    };
    let level = value.to_str().and_then(|value| value.parse().ok());
    set_level(level.unwrap_or(Level::INFO.0));
    match level {
        Some(_) => Ok(()),
        None => Err(Error::invalid(format!("{variable}: {value:?} is no whole number"))
            .with_help("-3 writes errors only, 1 is the default, 5 writes everything")),
    }
}

/// Whether a message of `level` is written. Errors always are.
pub fn enabled(level: Level) -> bool {
    level <= parts(self::level()).0.max(Level::ERROR)
}

/// The level without its offset, and whether colours are allowed.
fn parts(level: i32) -> (Level, bool) {
    if level <= -PLAIN {
        (Level(level + PLAIN), false)
    } else if level >= PLAIN {
        (Level(level - PLAIN), false)
    } else {
        (Level(level), true)
    }
}

static SINK: sink::Place = sink::Place::new();

/// From now on messages go to `sink` in place of the standard error stream, or there again. The level still says which
/// are written, and a message is at most [`MAX_MESSAGE`] bytes. The sink is called on the thread that has something to
/// say, by several at once, in each process of a run that is cloned from this one, and possibly while a callback runs. To
/// the standard error stream go nevertheless: what the sink itself makes the core say, a message on which it panicked,
/// panics at level debug, and what another thread says at the very moment of the exchange.
pub fn set_sink(sink: Option<Box<Sink>>) -> Result<()> {
    SINK.set(sink)
}

/// The error that ends the run, with what helps on a second line.
pub fn fatal(error: &Error) {
    message(Level::FATAL, format_args!("{error}"), error.help());
}

/// Whether messages go to a sink.
pub fn has_sink() -> bool {
    SINK.is_set()
}

/// An error, with what helps on a second line.
pub fn error(error: &Error) {
    message(Level::ERROR, format_args!("{error}"), error.help());
}

/// A warning.
pub fn warning(text: fmt::Arguments<'_>) {
    message(Level::WARNING, text, None);
}

/// What is always worth a line.
pub fn log(text: fmt::Arguments<'_>) {
    message(Level::LOG, text, None);
}

/// What a user wants to know.
pub fn info(text: fmt::Arguments<'_>) {
    message(Level::INFO, text, None);
}

/// What was done, in `detail` 2 to 4.
pub fn verbose(detail: i32, text: fmt::Arguments<'_>) {
    message(Level(detail.clamp(2, 4)), text, None);
}

/// What only the makers want to know.
pub fn debug(text: fmt::Arguments<'_>) {
    message(Level::DEBUG, text, None);
}

/// A message of any level.
pub fn say(level: Level, text: fmt::Arguments<'_>) {
    message(level, text, None);
}

fn message(level: Level, text: fmt::Arguments<'_>, help: Option<&str>) {
    if !enabled(level) {
        return;
    }
    let taken = SINK.give(level.0, |sink| {
        let mut line = Line::new();
        line.content(text, help, "\nhelp: ");
        sink(line.text());
    });
    match taken {
        Some(Ok(())) => {}
        None => write_line(level, text, help),
        Some(Err(failed)) => {
            write_line(level, text, help);
            write_line(Level::ERROR, format_args!("{failed}"), failed.help());
        }
    }
}

fn write_line(level: Level, text: fmt::Arguments<'_>, help: Option<&str>) {
    let stream = std::io::stderr();
    let coloured = parts(self::level()).1 && stream.is_terminal();
    let mut line = Line::new();
    line.message(level, text, help, coloured);
    // A signal before the first byte is no reason to be silent. Nothing can be done about a stream that takes nothing.
    while nix::unistd::write(&stream, line.bytes()) == Err(nix::errno::Errno::EINTR) {}
}

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes panics silent and keeps message and place of the last one of each thread for [`guard`], which turns it
/// into an error. At level debug it is written with its stack.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        let text = payload_text(panic.payload());
        let text = match panic.location() {
            Some(place) => format!("{text} at {}:{}", place.file(), place.line()),
            None => text.to_owned(),
        };
        if enabled(Level::DEBUG) {
            // A panic of the sink in here would end the process.
            sink::without_sink(|| debug(format_args!("panic: {text}\n{}", std::backtrace::Backtrace::force_capture())));
        }
        // A panic while the thread's locals are being destroyed has nobody left who asks.
        let _ = PANIC.try_with(|last| last.try_borrow_mut().map(|mut last| *last = Some(text)));
    }));
}

/// Message and place of this thread's last panic since this was asked, if the hook is installed.
pub fn take_panic() -> Option<String> {
    PANIC.try_with(|last| last.try_borrow_mut().ok()?.take()).ok().flatten()
}

/// Calls `f` and turns a panic in it into an error: `what` panicked: message at file:line.
pub fn guard<T>(what: &str, f: impl FnOnce() -> T) -> Result<T> {
    // What the closure shares is engine state behind locks that ignore poisoning; the run ends with this error.
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        let text = take_panic().unwrap_or_else(|| payload_text(&*payload).to_owned());
        // A payload may panic when dropped; what that panic throws is left alone.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(again);
        }
        Error::new(ErrorKind::Panic, format!("{what} panicked: {text}"))
    })
}

fn payload_text(payload: &(dyn Any + Send)) -> &str {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "no message",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sink_gets_the_text_and_the_rest_goes_on() {
        let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let told = heard.clone();
        set_sink(Some(Box::new(move |level, text| {
            // Other tests may have something to say.
            if text.starts_with("sunk") {
                told.lock().unwrap().push((level, text.to_owned()));
                log(format_args!("on standard error, since a sink says it"));
                assert!(!text.contains("panic"), "{text}");
            }
        })))
        .expect("not within a sink");
        error(&Error::invalid("sunk \x1b[2J\0").with_help("swim"));
        warning(format_args!("sunk, with a panic"));
        log(format_args!("sunk {}", "é".repeat(MAX_MESSAGE)));
        debug(format_args!("sunk below the level"));
        set_sink(None).expect("not within a sink");
        warning(format_args!("sunk, back on standard error"));
        let heard = std::mem::take(&mut *heard.lock().unwrap());
        assert_eq!(heard[0], (-3, "sunk \\u{1b}[2J\\u{0}\nhelp: swim".to_owned()));
        assert_eq!(heard[1], (-2, "sunk, with a panic".to_owned()));
        assert!((MAX_MESSAGE - 2..MAX_MESSAGE).contains(&heard[2].1.len()) && heard[2].1.ends_with('é'));
        assert_eq!(heard.len(), 3);
    }

    #[test]
    fn levels_beyond_90_are_plain() {
        let expected = [(1, 1, true), (5, 5, true), (-3, -3, true), (89, 89, true), (91, 1, false), (95, 5, false)];
        for (level, number, colours) in expected {
            assert_eq!(parts(level), (Level(number), colours));
        }
        assert_eq!(parts(-93), (Level::ERROR, false));
        assert_eq!(parts(i32::MIN), (Level(i32::MIN + 90), false));
        assert_eq!(parts(i32::MAX), (Level(i32::MAX - 90), false));
    }

    #[test]
    fn a_panic_becomes_an_error() {
        assert_eq!(guard("step", || 5).unwrap(), 5);
        let error = guard("step", || panic!("at {}", 7)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panic);
        assert!(error.to_string().starts_with("step panicked: at 7"), "{error}");
    }

    #[test]
    fn a_payload_that_panics_when_dropped_does_no_harm() {
        struct Mine;
        impl Drop for Mine {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let error = guard("step", || std::panic::panic_any(Mine)).unwrap_err();
        assert!(error.to_string().starts_with("step panicked: no message"), "{error}");
        let _ = take_panic();
    }
}
