//! Data on stdout. A reader that has seen enough and closes the pipe, such as `| head`, is a normal end and no panic.

use std::io::Write;

/// Writes to stdout; after the reader has gone, nothing is written any more.
pub(crate) fn write(text: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_fmt(text).and_then(|()| out.flush());
}

/// As `print!`.
macro_rules! out {
    ($($part:tt)*) => { $crate::cli::output::write(format_args!($($part)*)) };
}

/// As `println!`.
macro_rules! outln {
    ($($part:tt)*) => {
        $crate::cli::output::write(format_args!("{}\n", format_args!($($part)*)))
    };
}

pub(crate) use {out, outln};
