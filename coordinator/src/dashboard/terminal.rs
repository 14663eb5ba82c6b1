//! The loop around the terminal: keys in, updates in, screens out. The terminal is put back whatever happens.

use super::known::{Model, Update};
use super::ui::{Action, Ui};
use super::view;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use std::io;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

/// How long a key may wait for updates to be looked at.
const LOOK: Duration = Duration::from_millis(50);

/// The screen is drawn at least this often: elapsed times go on.
const EVERY: Duration = Duration::from_secs(1);

/// Runs until the operator quits. `updates` may end before; what was known stays on the screen.
pub fn run(mut model: Model, updates: &Receiver<Update>) -> io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let result = drive(&mut terminal, &mut model, updates);
    ratatui::restore();
    result
}

fn drive(
    terminal: &mut ratatui::DefaultTerminal,
    model: &mut Model,
    updates: &Receiver<Update>,
) -> io::Result<()> {
    let live = model.now.0 == 0;
    let mut ui = Ui::default();
    let mut drawn: Option<Instant> = None;
    let mut ended = false;
    loop {
        let mut dirty = drawn.is_none_or(|at| live && at.elapsed() >= EVERY);
        loop {
            match updates.try_recv() {
                Ok(update) => {
                    model.take(update);
                    dirty = true;
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    if live && !ended {
                        model.take(Update::Notice(
                            "the coordinator is gone; this is the last that was seen".into(),
                        ));
                        dirty = true;
                    }
                    ended = true;
                    break;
                }
            }
        }
        if dirty {
            if live {
                model.now = crate::clock::now();
            }
            terminal.draw(|frame| view::draw(frame, model, &ui))?;
            drawn = Some(Instant::now());
        }
        if !event::poll(LOOK)? {
            continue;
        }
        match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                if ui.key(key, model) == Action::Quit {
                    return Ok(());
                }
                drawn = None;
            }
            Event::Resize(..) => drawn = None,
            _ => {}
        }
    }
}
