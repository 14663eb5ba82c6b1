//! Several runs of one drill: lowest, middle and highest of each figure.

use domain::drill::report::series::{Series, Spread};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One line per figure; of one that not every run has, in how many it is. Then what stands beside the runs' verdicts.
pub(crate) fn table(series: &Series) -> String {
    let runs = series.runs.len();
    let labels = series.runs.iter().filter_map(|run| run.label.as_deref());
    lines(runs, &series.figures) + &labelled(runs, labels)
}

/// Each label once, with how many of the runs have it: a scaled figure is none of real time.
fn labelled<'a>(runs: usize, labels: impl Iterator<Item = &'a str>) -> String {
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    labels.for_each(|label| *counted.entry(label).or_default() += 1);
    let mut text = String::new();
    for (label, have) in counted {
        let _ = writeln!(text, "{have} of {runs} runs: {label}");
    }
    text
}

fn lines(runs: usize, figures: &[Spread]) -> String {
    let name = figures.iter().map(|figure| figure.id.len()).max().unwrap_or(0);
    let mut text = format!(
        "\n{:<name$}  {:>14}  {:>14}  {:>14}\n",
        format!("{runs} runs"),
        "lowest",
        "median",
        "highest"
    );
    for figure in figures {
        let Spread {
            id,
            unit,
            least,
            median,
            most,
            ..
        } = figure;
        let some = match usize::try_from(figure.runs) {
            Ok(in_all) if in_all == runs => String::new(),
            _ => format!(" (in {})", figure.runs),
        };
        let _ = writeln!(
            text,
            "{id:<name$}  {least:>14}  {median:>14}  {most:>14} {unit}{some}"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::drill::measure::quantity::Quantity;

    #[test]
    fn scaled_runs_are_told_from_those_in_real_time() {
        let scaled = "C2 is scaled: 180 s stand for 7200 s";
        let text = labelled(3, [scaled, scaled].into_iter());
        assert_eq!(text, "2 of 3 runs: C2 is scaled: 180 s stand for 7200 s\n");
        assert_eq!(labelled(3, std::iter::empty()), "");
    }

    #[test]
    fn figures_stand_apart_below_one_another_however_long_they_are() {
        let figure = |id: &str, runs, [least, median, most]: [i64; 3]| Spread {
            id: id.to_owned(),
            unit: "seconds".to_owned(),
            runs,
            least: Quantity::from_micros(least),
            median: Quantity::from_micros(median),
            most: Quantity::from_micros(most),
        };
        let figures = [
            figure(
                "rto.mgmt_api.service_good",
                3,
                [97_130_767, 97_617_816, 100_677_899],
            ),
            figure(
                "backlog.app1.window",
                2,
                [21_600_003_000, 21_600_003_000, 21_600_003_000],
            ),
        ];
        let text = lines(3, &figures);
        let expected = "
3 runs                             lowest          median         highest
rto.mgmt_api.service_good       97.130767       97.617816      100.677899 seconds
backlog.app1.window             21600.003       21600.003       21600.003 seconds (in 2)
";
        assert_eq!(text, expected);
    }
}
