//! Which word was probably meant.

/// Longest word that is looked at: no name is longer, and the work grows with it.
const LONGEST: usize = 64;

/// The one of `known` that differs least from `word`, unless more than a third of its letters are wrong.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let length = word.chars().count();
    if length > LONGEST {
        return None;
    }
    let (slips, best) = known
        .into_iter()
        .map(|candidate| (slips(word, candidate), candidate))
        .min_by_key(|(slips, _)| *slips)?;
    (slips * 3 <= length).then_some(best)
}

/// Letters to put in, leave out, change, or swap with their neighbour, to make one word of the other.
fn slips(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    let mut two_above = above.clone();
    let mut before = None;
    for (row, letter) in from.chars().enumerate() {
        let mut line = vec![row + 1];
        let mut left = row + 1;
        let mut last = None;
        for (at, wanted) in to.iter().enumerate() {
            let cell = |line: &[usize], at: usize| line.get(at).copied().unwrap_or(usize::MAX - 1);
            let changed = cell(&above, at) + usize::from(letter != *wanted);
            let mut least = changed.min(cell(&above, at + 1) + 1).min(left + 1);
            if at > 0 && last == Some(letter) && before == Some(*wanted) {
                least = least.min(cell(&two_above, at - 1) + 1);
            }
            line.push(least);
            (left, last) = (least, Some(*wanted));
        }
        two_above = std::mem::replace(&mut above, line);
        before = Some(letter);
    }
    above.last().copied().unwrap_or_default()
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
                (slips(one, other), slips(other, one)),
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
