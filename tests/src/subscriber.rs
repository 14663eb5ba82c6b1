//! A subscriber that is there before the lab is: `events --json --follow` in a process of its own, whoever is killed meanwhile.
//! What it was told is judged by the checker, against what the log itself tells in the end.

use crate::lab::TestLab;
use crate::patience::until;
use crate::prey;
use crate::running::Running;
use crate::watched;
use domain::watched::{Delivered, History, Seen, Subscriber, check};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Child;
use std::time::Duration;
use tempfile::NamedTempFile;

/// How long it may take until the subscriber is told what is in the log. It looks for a coordinator that went away every second.
const PATIENCE: Duration = Duration::from_secs(60);

/// The two records that are compared, as errors name them.
const EARLY: &str = "the early subscriber";
const LATE: &str = "the log in the end";

/// A coordinator in the foreground, as a person starts one. It can be asked when this returns, and is killed when dropped.
pub fn serve(lab: &TestLab) -> Result<Running, String> {
    let log = lab.home().with_file_name("serve.log");
    let served = Running::start(&mut lab.command(&["serve"]), log)?;
    served.until_it_answers("a coordinator", || {
        prey::daemon(lab).map(drop).ok_or_else(|| "nobody serves".into())
    })?;
    Ok(served)
}

/// Reads events until it is dropped.
#[derive(Debug)]
pub struct EarlySubscriber {
    child: Child,
    told: NamedTempFile,
    said: NamedTempFile,
}

impl EarlySubscriber {
    /// A coordinator must serve. All that is in its log by now was told when this returns.
    pub fn start(lab: &TestLab) -> Result<Self, String> {
        let started = Self::spawn(lab).map_err(|e| format!("{EARLY}: {e}"))?;
        started.is_told("a first bookmark", |seen| matches!(seen, Seen::Bookmark(_)))?;
        Ok(started)
    }

    fn spawn(lab: &TestLab) -> std::io::Result<Self> {
        let (told, said) = (NamedTempFile::new()?, NamedTempFile::new()?);
        let child = lab
            .command(&["events", "--json", "--follow"])
            .stdout(told.reopen()?)
            .stderr(said.reopen()?)
            .spawn()?;
        Ok(Self { child, told, said })
    }

    /// Ends it once it was told of the log's present head, which a coordinator is asked for. All that it was told must be each
    /// revision once and in order, the same as the log has, with the numbers of every node dense and no gap. Tells how many
    /// events came.
    pub fn check(self, lab: &TestLab) -> Result<usize, String> {
        let status: Value = serde_json::from_str(&asked(lab, "status")?).map_err(|e| e.to_string())?;
        let head = status["revision"].as_u64().ok_or("a status without a revision")?;
        let late = asked(lab, "events")?;
        let early = self.is_told(&format!("revision {head}"), |seen| match seen {
            Seen::Entry(entry) | Seen::Gap { entry, .. } => entry.revision >= head,
            Seen::Bookmark(revision) => *revision >= head,
            _ => false,
        })?;
        let nodes: BTreeSet<String> = lab.lab.nodes().map(|(_, node)| node.name.to_string()).collect();
        judge(&early, &late, head, &nodes)
    }

    /// Waits for such an item; gives all lines so far.
    fn is_told(&self, what: &str, is_it: impl Fn(&Seen) -> bool) -> Result<String, String> {
        until(&format!("{EARLY} is told of {what}"), PATIENCE, || {
            let lines = self.lines().map_err(|e| e.to_string())?;
            if lines.lines().filter_map(watched::line).any(|seen| is_it(&seen)) {
                return Ok(lines);
            }
            let said = std::fs::read_to_string(self.said.path()).map_err(|e| e.to_string())?;
            let last = lines.lines().next_back().unwrap_or("none");
            Err(format!("its last line is {last}; it said: {said}"))
        })
    }

    /// What it was told; a line that is being written is left for later.
    fn lines(&self) -> std::io::Result<String> {
        let mut told = std::fs::read(self.told.path())?;
        let whole = told.iter().rposition(|byte| *byte == b'\n');
        told.truncate(whole.map_or(0, |end| end + 1));
        Ok(String::from_utf8_lossy(&told).into_owned())
    }
}

impl Drop for EarlySubscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command answers in JSON.
fn asked(lab: &TestLab, command: &str) -> Result<String, String> {
    let output = lab.run(&[command, "--json"]).map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(format!("{command} ended with {}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Holds the lines of an early subscriber against those of one that came in the end. Both must have come to `head`, and each of
/// `nodes` must have told something.
fn judge(early: &str, late: &str, head: u64, nodes: &BTreeSet<String>) -> Result<usize, String> {
    let history = History {
        subscribers: vec![record(EARLY, early)?, record(LATE, late)?],
        head,
        // Nobody wipes the log, and there is too little in it for retention.
        oldest: 1,
        ..History::default()
    };
    check(&history).map_err(|broken| {
        let lines = if broken.subscriber == EARLY { early } else { late };
        // Item 0 is the request.
        let line = broken.item.checked_sub(1).and_then(|at| lines.lines().nth(at));
        format!("{broken}\nline {}: {}", broken.item, line.unwrap_or("the end"))
    })?;
    let mut came = 0;
    let mut heard: BTreeSet<&String> = BTreeSet::new();
    for seen in history.subscribers.iter().take(1).flat_map(|early| &early.seen) {
        match seen {
            Seen::Entry(Delivered { node, origin, .. }) => {
                came += 1;
                if origin.is_some() {
                    heard.insert(node);
                }
            }
            Seen::Gap { entry, from, .. } => {
                let (revision, node) = (entry.revision, &entry.node);
                return Err(format!(
                    "revision {revision} declares events of {node} from {from} on as lost"
                ));
            }
            _ => {}
        }
    }
    match nodes.iter().find(|node| !heard.contains(node)) {
        Some(node) => Err(format!("nothing that {node} told came")),
        None => Ok(came),
    }
}

/// In the words of the checker; the items are numbered as the lines are.
fn record(name: &str, lines: &str) -> Result<Subscriber, String> {
    let items = lines.lines().enumerate().map(|(at, line)| {
        let seen = watched::line(line);
        seen.ok_or_else(|| format!("{name}, line {}: no event: {line}", at + 1))
    });
    let seen: Result<Vec<Seen>, String> = std::iter::once(Ok(Seen::Asked(0))).chain(items).collect();
    Ok(Subscriber {
        name: name.into(),
        nodes: None,
        seen: seen?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What the coordinator decided.
    fn decided(revision: u64) -> String {
        json!({"revision": revision, "kind": "step_intended", "node": null}).to_string()
    }

    /// What an agent told.
    fn told(revision: u64, node: &str, seq: u64) -> String {
        json!({"revision": revision, "kind": "health", "node": node, "incarnation": "aa", "seq": seq})
            .to_string()
    }

    fn lost(revision: u64, node: &str, from: u64) -> String {
        json!({"revision": revision, "kind": "gap", "node": node, "incarnation": "aa", "seq_from": from, "seq_to": null})
            .to_string()
    }

    fn bookmark(revision: u64) -> String {
        json!({"kind": "bookmark", "revision": revision, "log_id": "07"}).to_string()
    }

    /// Six revisions, and a bookmark behind the first.
    fn right() -> Vec<String> {
        vec![
            decided(1),
            bookmark(1),
            told(2, "a", 1),
            told(3, "b", 1),
            decided(4),
            told(5, "a", 2),
            told(6, "b", 2),
        ]
    }

    fn judged(early: &[String], late: &[String], head: u64) -> Result<usize, String> {
        let nodes = BTreeSet::from(["a", "b"].map(str::to_owned));
        judge(&early.join("\n"), &late.join("\n"), head, &nodes)
    }

    #[track_caller]
    fn names(early: &[String], late: &[String], head: u64, what: &str) {
        let error = judged(early, late, head).expect_err(what);
        assert!(error.contains(what), "not {what:?}: {error}");
    }

    #[test]
    fn all_once_and_in_order_is_right_wherever_the_bookmarks_are_and_with_more_than_was_asked_for() {
        let mut early = right();
        early.push(decided(7));
        let mut late = right();
        late.remove(1);
        late.push(bookmark(6));
        assert_eq!(judged(&early, &late, 6), Ok(7));
    }

    #[test]
    fn the_first_revision_that_did_not_come_once_and_in_order_is_named() {
        let all = right();
        let cases: [(&[usize], &str); 6] = [
            (&[0, 1, 2, 3, 5, 6], "revision 5 came where 4 was due"),
            (&[2, 3, 4, 5, 6], "revision 2 came where 1 was due"),
            (&[0, 1, 2, 3, 4, 4, 5, 6], "revision 4 came twice"),
            (&[0, 1, 3, 2, 4, 5, 6], "revision 3 came where 2 was due"),
            (&[0, 1, 2, 3, 2, 4, 5, 6], "revision 2 came after 3"),
            (&[0, 1, 2, 3, 4, 5], "ended at 5, the head is 6"),
        ];
        for (lines, named) in cases {
            let early: Vec<String> = lines.iter().map(|at| all[*at].clone()).collect();
            names(&early, &all, 6, named);
        }
        let mut early = all.clone();
        early[4] = json!({"revision": 4, "kind": "step_failed"}).to_string();
        names(&early, &all, 6, "revision 4 is");
        early[4] = "{\"revision\": 4".into();
        names(&early, &all, 6, "the early subscriber, line 5: no event");
        let reset = [
            &all[..],
            &[json!({"kind": "log_reset", "log_id": "08"}).to_string()],
        ]
        .concat();
        names(&reset, &all, 6, "the log is another one");
    }

    /// Every revision came, and the log has the same.
    #[test]
    fn a_number_of_a_node_that_never_came_once_is_named_though_all_revisions_did() {
        let (a, b) = (told(1, "a", 1), told(2, "b", 1));
        let begins = told(1, "a", 2);
        let cases = [
            ([&a, &b, &told(3, "a", 3)], "a: events 2 to 2 are missing"),
            ([&a, &b, &told(3, "a", 1)], "a: event 1 came after event 1"),
            ([&begins, &b, &decided(3)], "a begins with event 2"),
            (
                [&a, &b, &lost(3, "a", 2)],
                "revision 3 declares events of a from 2 on",
            ),
            ([&a, &decided(2), &decided(3)], "nothing that b told came"),
        ];
        for (lines, named) in cases {
            let lines = lines.map(String::clone);
            names(&lines, &lines, 3, named);
        }
    }
}
