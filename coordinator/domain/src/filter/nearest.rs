//! Which word was probably meant.

use strsim::osa_distance;

/// Longest word that is looked at: no name is longer, and the work grows with it.
const LONGEST: usize = 64;

/// The one of `known` that differs least from `word`, unless more than a third of its letters are wrong. A slip is a letter put in,
/// left out or changed, or two neighbours swapped.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let length = word.chars().count();
    if length > LONGEST {
        return None;
    }
    let (slips, best) = known
        .into_iter()
        .map(|candidate| (osa_distance(word, candidate), candidate))
        .min_by_key(|(slips, _)| *slips)?;
    (slips * 3 <= length).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted_both_ways() {
        for (one, other, count) in [
            ("", "", 0),
            ("", "step", 4),
            ("step", "step", 0),
            ("setp", "step", 1),
            ("stp", "step", 1),
            ("steep", "step", 1),
            ("stop", "step", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(
                (osa_distance(one, other), osa_distance(other, one)),
                (count, count),
                "{one} {other}"
            );
        }
    }

    #[test]
    fn a_slip_has_a_nearest_word_and_another_word_has_none() {
        let known = ["mgmt-cp", "app1-cp", "app1-worker1", "app2-cp"];
        assert_eq!(nearest("app1-pc", known), Some("app1-cp"));
        assert_eq!(nearest("app1-wroker1", known), Some("app1-worker1"));
        assert_eq!(nearest("kafka", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest(&"a".repeat(65), ["a"]), None);
        assert_eq!(nearest("app1-cp", []), None);
    }
}
