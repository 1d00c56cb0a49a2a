// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Errors say what was tried, on what, why it failed, and what helps. They are returned or logged,
//! never both.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// The error that a callback of an engine returns: any error of the engine's own.
pub type CallbackError = Box<dyn StdError + Send + Sync + 'static>;

/// A result of the core.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, coarsely. The set is small and only grows; the numbers are those of [`ErrorKind::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Input that cannot be used: a configuration, an argument, an environment variable.
    Invalid = 1,
    /// A combination that the plan refuses.
    Refused = 2,
    /// Something named is not there: an engine, a file, a container.
    NotFound = 3,
    /// A name is taken.
    AlreadyExists = 4,
    /// A system call failed; [`Error::errno`] says how.
    System = 5,
    /// A peer process ended before it had answered.
    PeerDied = 6,
    /// A wait came to its end.
    Timeout = 7,
    /// A peer said something that is not legal in its state.
    Protocol = 8,
    /// A callback of an engine returned an error; it is the [`source`](StdError::source).
    Callback = 9,
    /// A callback or the core panicked.
    Panic = 10,
    /// The RPC server answered with an error.
    Rpc = 11,
    /// The caller broke a rule of the interface: a freed object, a foreign pointer, a wrong thread.
    Misuse = 12,
}

impl ErrorKind {
    /// Every kind, in the order of the codes.
    const ALL: [ErrorKind; 12] = [
        ErrorKind::Invalid,
        ErrorKind::Refused,
        ErrorKind::NotFound,
        ErrorKind::AlreadyExists,
        ErrorKind::System,
        ErrorKind::PeerDied,
        ErrorKind::Timeout,
        ErrorKind::Protocol,
        ErrorKind::Callback,
        ErrorKind::Panic,
        ErrorKind::Rpc,
        ErrorKind::Misuse,
    ];

    /// The number of the kind for other languages, from 1 on: it never changes.
    pub fn code(self) -> i32 {
        self as i32
    }

    /// The kind of that number, if there is one.
    pub fn from_code(code: i32) -> Option<ErrorKind> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// An error of the core: a line of text from outer to inner, a kind, and where a system call failed,
/// its errno. A clone has the same source.
#[derive(Clone)]
pub struct Error(Box<Repr>);

#[derive(Clone)]
struct Repr {
    kind: ErrorKind,
    text: String,
    errno: Option<i32>,
    help: Option<String>,
    source: Option<Arc<dyn StdError + Send + Sync + 'static>>,
}

impl Error {
    /// An error that says `text`: what was tried and on what, in lower case, without a full stop.
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Error(Box::new(Repr { kind, text: text.into(), errno: None, help: None, source: None }))
    }

    /// Input that cannot be used.
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, text)
    }

    /// A failed system call: `what` says what was tried and on what, `errno` why it failed.
    pub fn system(what: impl Into<String>, errno: impl Into<i32>) -> Self {
        let errno = errno.into();
        let mut error = Self::new(ErrorKind::System, format!("{}: {}", what.into(), errno_text(errno)));
        error.0.errno = Some(errno);
        error
    }

    /// An I/O error of the standard library.
    pub fn io(what: impl Into<String>, error: &std::io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => Self::system(what, errno),
            None => Self::new(ErrorKind::System, format!("{}: {error}", what.into())),
        }
    }

    /// The error that a callback returned. It stays reachable through [`source`](StdError::source)
    /// and [`Error::callback_error`].
    pub fn callback(error: CallbackError) -> Self {
        match error.downcast::<Error>() {
            Ok(own) => *own,
            Err(error) => {
                let text = error.to_string();
                Self::with_source(ErrorKind::Callback, text, error)
            }
        }
    }

    /// An error of that kind whose cause is a callback's own error. As [`Error::callback`] with a text and a kind that say
    /// more than the callback's error does.
    pub fn with_source(kind: ErrorKind, text: impl Into<String>, source: CallbackError) -> Self {
        let mut outer = Self::new(kind, text);
        outer.0.source = Some(Arc::from(source));
        outer
    }

    /// The same error with what was being done in front: `prepare container: …`.
    #[must_use]
    pub fn during(mut self, what: impl fmt::Display) -> Self {
        self.0.text = format!("{what}: {}", self.0.text);
        self
    }

    /// The same error with what another process said of its cause, whose help and errno it takes over where it has none.
    #[must_use]
    pub fn because(mut self, reason: Error) -> Self {
        self.0.text = format!("{}: {}", self.0.text, reason.0.text);
        self.0.help = self.0.help.or(reason.0.help);
        self.0.errno = self.0.errno.or(reason.0.errno);
        self
    }

    /// The same error with an advice that a reader can follow.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// The same error with another kind.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The same error with the errno of the call that caused it.
    #[must_use]
    pub fn with_errno(mut self, errno: i32) -> Self {
        self.0.errno = Some(errno);
        self
    }

    /// What went wrong, coarsely.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The errno of the system call that failed, if one did.
    pub fn errno(&self) -> Option<i32> {
        self.0.errno
    }

    /// What helps, if something is known to.
    pub fn help(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// The very error that a callback returned, if it is a `T`.
    pub fn callback_error<T: StdError + 'static>(&self) -> Option<&T> {
        self.0.source.as_ref()?.downcast_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.0.text)?;
        match &self.0.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// The kernel's words for an errno, in lower case and without the number.
pub fn errno_text(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// Adds what was tried to the error of a failed system call.
pub trait Tried<T> {
    /// `what` is made only on failure.
    fn tried<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T>;
}

impl<T> Tried<T> for nix::Result<T> {
    fn tried<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|errno| Error::system(what(), errno as i32))
    }
}

impl<T> Tried<T> for rustix::io::Result<T> {
    fn tried<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|errno| Error::system(what(), errno.raw_os_error()))
    }
}

impl<T> Tried<T> for std::io::Result<T> {
    fn tried<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|error| Error::io(what(), &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("disk {0} is full")]
    struct Full(u32);

    #[test]
    fn a_callback_error_keeps_its_identity() {
        let error = Error::callback(Box::new(Full(7))).during("container creation failed");
        assert_eq!(error.to_string(), "container creation failed: disk 7 is full");
        assert_eq!(error.callback_error::<Full>().map(|full| full.0), Some(7));
        assert!(error.source().is_some_and(|source| source.is::<Full>()));
    }

    #[test]
    fn a_source_keeps_its_identity_under_any_kind() {
        let error = Error::with_source(ErrorKind::Misuse, "the object is freed", Box::new(Full(7)));
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Misuse, "the object is freed"));
        assert_eq!(error.callback_error::<Full>().map(|full| full.0), Some(7));
    }

    #[test]
    fn codes_and_kinds_agree() {
        // A kind that is not named here does not compile.
        let expected = |kind: ErrorKind| match kind {
            ErrorKind::Invalid => 1,
            ErrorKind::Refused => 2,
            ErrorKind::NotFound => 3,
            ErrorKind::AlreadyExists => 4,
            ErrorKind::System => 5,
            ErrorKind::PeerDied => 6,
            ErrorKind::Timeout => 7,
            ErrorKind::Protocol => 8,
            ErrorKind::Callback => 9,
            ErrorKind::Panic => 10,
            ErrorKind::Rpc => 11,
            ErrorKind::Misuse => 12,
        };
        for code in 1..=12 {
            let kind = ErrorKind::from_code(code).unwrap();
            assert_eq!((kind.code(), expected(kind)), (code, code));
        }
        assert_eq!([i32::MIN, -1, 0, 13, i32::MAX].map(ErrorKind::from_code), [None; 5]);
    }

    #[test]
    fn an_error_of_the_core_is_not_wrapped_again() {
        let error = Error::callback(Box::new(Error::system("mount \"proc\"", libc::EPERM).with_help("use root")));
        assert_eq!(error.kind(), ErrorKind::System);
        assert_eq!(error.errno(), Some(libc::EPERM));
        assert_eq!(error.help(), Some("use root"));
        assert_eq!(error.to_string(), "mount \"proc\": operation not permitted");
    }
}
