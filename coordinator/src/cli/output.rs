//! Data on stdout. A reader that has seen enough and closes the pipe, such as `| head`, is a normal end and no panic.

use std::fmt::Arguments;
use std::io::{self, Write};

/// Writes to stdout at once. The error says that nobody reads it any more: a command that goes on for ever ends then.
pub(crate) fn write(text: Arguments<'_>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_fmt(text).and_then(|()| out.flush())
}

/// As [`write`], for a command that ends by itself.
pub(crate) fn say(text: Arguments<'_>) {
    let _ = write(text);
}

/// As `print!`.
macro_rules! out {
    ($($part:tt)*) => { $crate::cli::output::say(format_args!($($part)*)) };
}

/// As `println!`.
macro_rules! outln {
    ($($part:tt)*) => {
        $crate::cli::output::say(format_args!("{}\n", format_args!($($part)*)))
    };
}

pub(crate) use {out, outln};
