//! A run as people copy it: by the first digits of its id.

use model::Invalid;
use model::ids::RunId;

/// Fewest digits: what the dashboard shows of an id. Two runs of a lab that have them in common are as good as never met.
const FEWEST: usize = 8;

/// Digits of a whole id.
const ALL: usize = 32;

/// How an id begins; all of its digits name one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunStart {
    digits: u128,
    mask: u128,
}

impl RunStart {
    /// Reads 8 to 32 hexadecimal digits, lower- or upper-case.
    ///
    /// # Errors
    /// When it is anything else; the field is `run`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let refused = || {
            let rule =
                format!("is not a run's id: {ALL} hexadecimal digits, or the first {FEWEST} or more of them");
            Invalid::new("run", text, rule)
        };
        // The parser alone would take a sign before them.
        if !(FEWEST..=ALL).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(refused());
        }
        let missing = (text.len()..ALL).map(|_| 4_u32).sum::<u32>();
        let digits = u128::from_str_radix(text, 16).map_err(|_| refused())?;
        Ok(Self {
            digits: digits << missing,
            mask: u128::MAX << missing,
        })
    }

    /// Whether the id of `run` begins so.
    pub fn begins(self, run: RunId) -> bool {
        u128::from_be_bytes(run.0) & self.mask == self.digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn eight_digits_or_more_begin_a_run_and_others_do_not() {
        let run = RunId::parse(ID).expect("an id");
        for length in FEWEST..=ALL {
            let (start, rest) = ID.split_at(length);
            let start = RunStart::parse(&start.to_uppercase()).expect("digits");
            assert!(start.begins(run), "{length} digits");
            let (same, _) = ID.split_at(length - 1);
            let other = RunId::parse(&format!("{same}a{rest}")).expect("an id");
            assert_eq!(start.begins(other), other == run, "{length} digits of {other}");
        }
    }

    #[test]
    fn what_is_too_short_too_long_or_no_number_is_refused() {
        for text in [
            "",
            "0123456",
            "+1234567",
            "0x234567",
            "app1-cp1",
            &format!("{ID}0"),
        ] {
            let refused = RunStart::parse(text).expect_err("refused");
            assert!(refused.rule.contains("32 hexadecimal digits"), "{refused}");
        }
    }
}
