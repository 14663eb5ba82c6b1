//! What the operator chose: focus, selection, filter, what is drilled into. Keys change it; nothing is drawn here.

use super::filter::Filter;
use super::known::{Model, text};
use super::sample::is_sample;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::Value;

/// Which list the arrows move in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Focus {
    /// Clusters and nodes.
    #[default]
    Nodes,
    /// Steps and waits.
    Waits,
    /// Events.
    Events,
}

/// What the whole screen is about.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Screen {
    /// Everything.
    #[default]
    Overview,
    /// One node, by name.
    Node(String),
    /// One wait or event, as it was when it was chosen.
    Item(Value),
    /// The keys.
    Help,
}

/// What the program does after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Draw again.
    Redraw,
    /// End.
    Quit,
}

/// The state of the view.
#[derive(Debug, Default)]
pub struct Ui {
    /// Focus.
    pub focus: Focus,
    /// Screen.
    pub screen: Screen,
    /// Selected row of nodes, waits and events.
    pub selected: [usize; 3],
    /// First line of a detail screen.
    pub scroll: u16,
    /// Page of a node's detail: its events, then each of its logs.
    pub log: usize,
    /// The filter as typed.
    pub typed: String,
    /// Whether it is being typed.
    pub typing: bool,
    /// The filter as understood.
    pub filter: Filter,
    /// Only events with severity `warning` and `error`.
    pub bad_only: bool,
    /// Whether routine samples are shown between the events that matter.
    pub samples: bool,
}

/// Rows that a page key moves by.
const PAGE: usize = 10;

/// Lines that a detail scrolls down at most; the longest log has fewer.
const LOWEST: u16 = 20_000;

impl Ui {
    /// Whether an event is shown.
    pub fn shows(&self, event: &Value) -> bool {
        (!self.bad_only || matches!(text(&event["severity"]), "warning" | "error"))
            && (self.samples || !is_sample(event))
            && self.filter.fits(event)
    }

    /// The events to show, newest first.
    pub fn events<'a>(&'a self, model: &'a Model) -> Vec<&'a Value> {
        model
            .events
            .iter()
            .rev()
            .filter(|event| self.shows(event))
            .collect()
    }

    /// How many samples are kept from the operator.
    pub fn hidden_samples(&self, model: &Model) -> usize {
        if self.samples {
            return 0;
        }
        model.events.iter().filter(|event| is_sample(event)).count()
    }

    /// Reacts to a key.
    pub fn key(&mut self, key: KeyEvent, model: &Model) -> Action {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Action::Quit;
        }
        if self.typing {
            self.type_filter(key.code);
            return Action::Redraw;
        }
        match key.code {
            KeyCode::Char('q') => return Action::Quit,
            KeyCode::Esc | KeyCode::Backspace => self.back(),
            KeyCode::Char('?' | 'h') => self.go(Screen::Help),
            KeyCode::Char('/') => self.typing = true,
            KeyCode::Char('e') => {
                self.bad_only = !self.bad_only;
                self.selected[2] = 0;
            }
            KeyCode::Char('s') => {
                self.samples = !self.samples;
                self.selected[2] = 0;
            }
            KeyCode::Tab | KeyCode::Right | KeyCode::Char('l') => self.turn(true),
            KeyCode::BackTab | KeyCode::Left => self.turn(false),
            KeyCode::Up | KeyCode::Char('k') => self.step(model, 1, false),
            KeyCode::Down | KeyCode::Char('j') => self.step(model, 1, true),
            KeyCode::PageUp => self.step(model, PAGE, false),
            KeyCode::PageDown => self.step(model, PAGE, true),
            KeyCode::Home | KeyCode::Char('g') => self.step(model, usize::MAX, false),
            KeyCode::End | KeyCode::Char('G') => self.step(model, usize::MAX, true),
            KeyCode::Enter => self.drill(model),
            KeyCode::Char('o') => self.turn_page(model),
            _ => {}
        }
        Action::Redraw
    }

    fn type_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.typed.clear();
            }
            KeyCode::Backspace => {
                self.typed.pop();
            }
            KeyCode::Char(c) => self.typed.push(c),
            _ => {}
        }
        self.filter = Filter::parse(&self.typed);
        self.selected[2] = 0;
    }

    /// One level up: from a detail to the overview, from a filtered overview to a whole one.
    fn back(&mut self) {
        if self.screen == Screen::Overview {
            self.typed.clear();
            self.filter = Filter::default();
            self.bad_only = false;
        }
        self.go(Screen::Overview);
    }

    fn go(&mut self, screen: Screen) {
        self.screen = screen;
        self.scroll = 0;
        self.log = 0;
    }

    fn turn(&mut self, forward: bool) {
        self.focus = match (self.focus, forward) {
            (Focus::Nodes, true) | (Focus::Events, false) => Focus::Waits,
            (Focus::Waits, true) | (Focus::Nodes, false) => Focus::Events,
            (Focus::Events, true) | (Focus::Waits, false) => Focus::Nodes,
        };
    }

    /// In a node's detail: from its events to each of its logs, and back.
    fn turn_page(&mut self, model: &Model) {
        if let Screen::Node(name) = &self.screen {
            self.log = (self.log + 1) % (1 + model.logs_of(name).len());
            self.scroll = 0;
        }
    }

    fn step(&mut self, model: &Model, by: usize, down: bool) {
        if self.screen != Screen::Overview {
            let by = u16::try_from(by).unwrap_or(u16::MAX);
            self.scroll = if down {
                self.scroll.saturating_add(by).min(LOWEST)
            } else {
                self.scroll.saturating_sub(by)
            };
            return;
        }
        let rows = self.rows(model);
        let at = &mut self.selected[index(self.focus)];
        *at = if down {
            at.saturating_add(by).min(rows.saturating_sub(1))
        } else {
            at.saturating_sub(by)
        };
    }

    fn rows(&self, model: &Model) -> usize {
        match self.focus {
            Focus::Nodes => model.nodes().len(),
            Focus::Waits => model.waits().len(),
            Focus::Events => self.events(model).len(),
        }
    }

    fn drill(&mut self, model: &Model) {
        let at = self.selected[index(self.focus)];
        let screen = match self.focus {
            Focus::Nodes => model
                .nodes()
                .get(at)
                .map(|(_, node)| Screen::Node(text(&node["name"]).to_owned())),
            Focus::Waits => model.waits().get(at).map(|wait| Screen::Item((*wait).clone())),
            Focus::Events => self
                .events(model)
                .get(at)
                .map(|event| Screen::Item((*event).clone())),
        };
        if let (Screen::Overview, Some(screen)) = (&self.screen, screen) {
            self.go(screen);
        }
    }
}

pub(super) fn index(focus: Focus) -> usize {
    match focus {
        Focus::Nodes => 0,
        Focus::Waits => 1,
        Focus::Events => 2,
    }
}
