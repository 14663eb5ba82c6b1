//! A producer that writes down what it was promised, for crash tests only: the file `produced` below the root gets a line
//! before each event is appended and one after the journal said that it is durable.

use super::context::Context;
use crate::failpoint::root;
use model::event::NodeEventKind;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::time::Duration;

const EVERY: Duration = Duration::from_millis(25);

/// Runs while the file `produced` is there and `quiet` is not.
pub(super) async fn produce(context: Context) {
    let path = root().join("produced");
    let Ok(mut witness) = OpenOptions::new().read(true).append(true).open(path) else {
        return;
    };
    let mut number = tried(&mut witness);
    while !root().join("quiet").exists() {
        number += 1;
        let mark = format!("mark {} {number}", context.node);
        if !say(&mut witness, "try", &mark) {
            return;
        }
        match context
            .tell(NodeEventKind::AgentStarted {
                version: mark.clone(),
            })
            .await
        {
            Ok(()) => {
                if !say(&mut witness, "kept", &mark) {
                    return;
                }
            }
            Err(failure) => return context.fail(failure),
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// How many were tried in earlier lives: a number is never used again.
fn tried(witness: &mut File) -> usize {
    let mut text = String::new();
    let _ = witness.read_to_string(&mut text);
    text.lines().filter(|line| line.starts_with("try ")).count()
}

/// One line in one write, so that a kill leaves all of it or nothing.
fn say(witness: &mut File, word: &str, mark: &str) -> bool {
    witness.write_all(format!("{word} {mark}\n").as_bytes()).is_ok()
}
