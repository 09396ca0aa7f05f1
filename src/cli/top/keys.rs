//! What each key does to the state. Pure: a confirmed order is returned.
#![expect(clippy::wildcard_enum_match_arm, reason = "most keys of a keyboard have no meaning here")]

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::app::{App, Dialog, Focus, Notice, Order};
use crate::control::AlertView;
use crate::domain::status::CampaignStatus;

/// The number of lines that PageUp and PageDown move.
const PAGE: isize = 10;
/// The largest number of characters of a typed text. It keeps out an accidental paste.
const LONGEST_TEXT: usize = 200;

impl App {
    /// Handles a key. Returns an order that is to be sent to the supervisor.
    pub(super) fn press(&mut self, key: KeyEvent) -> Option<Order> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            self.ended = true;
            return None;
        }
        self.notice = None;
        if self.is_small {
            // The question is not visible, so no key may confirm it.
            self.focus = Focus::List;
            self.ended |= key.code == KeyCode::Char('q');
            return None;
        }
        match std::mem::replace(&mut self.focus, Focus::List) {
            Focus::List => self.press_in_list(key.code),
            Focus::Filter => self.press_in_filter(key),
            Focus::Dialog(dialog) => return self.press_in_dialog(dialog, key),
            Focus::Alerts(place) => self.press_in_alerts(place, key.code),
            // Any key closes the help.
            Focus::Help => {}
        }
        None
    }

    fn press_in_list(&mut self, key: KeyCode) {
        match key {
            KeyCode::Char('q') => self.ended = true,
            KeyCode::Char('?') | KeyCode::F(1) => self.focus = Focus::Help,
            KeyCode::Char('/') => self.focus = Focus::Filter,
            KeyCode::Char('a') => self.focus = Focus::Alerts(0),
            KeyCode::Enter => {
                self.details_enlarged = !self.details_enlarged;
                self.details_scroll = 0;
            }
            KeyCode::Esc if self.details_enlarged => self.details_enlarged = false,
            KeyCode::Esc => self.filter_by(String::new()),
            KeyCode::Up | KeyCode::Char('k') => self.go(-1),
            KeyCode::Down | KeyCode::Char('j') => self.go(1),
            KeyCode::PageUp => self.go(-PAGE),
            KeyCode::PageDown => self.go(PAGE),
            KeyCode::Home => self.go(isize::MIN),
            KeyCode::End => self.go(isize::MAX),
            KeyCode::Char('p') => self.ask_for_selected(|campaign| Order::Process(campaign.id)),
            KeyCode::Char('h') => self.ask_for_selected(|campaign| Order::Hold(campaign.id, String::new())),
            KeyCode::Char('r') => self.ask_for_selected(|campaign| Order::Release(campaign.id)),
            KeyCode::Char('P') => self.ask(Order::PauseAll(String::new()), String::new()),
            KeyCode::Char('e') => self.ask_for_selected(|campaign| Order::Enable(campaign.id)),
            KeyCode::Char('d') => self.ask_for_selected(|campaign| Order::Disable(campaign.id)),
            KeyCode::Char('R') => self.ask(Order::ReleaseAll, String::new()),
            KeyCode::Char('!') => {
                self.only_attention = !self.only_attention;
                self.list();
            }
            KeyCode::Char('s') => {
                self.sorting = self.sorting.next();
                self.list();
            }
            KeyCode::Char(letter) => {
                let text = format!("`{letter}` does nothing here: ? shows the keys");
                self.notice = Some(Notice { text, is_problem: false });
            }
            _ => {}
        }
    }

    fn press_in_alerts(&mut self, place: usize, key: KeyCode) {
        let last = self.alerts().len().saturating_sub(1);
        let place = place.min(last);
        let selected = self.alerts().get(place).cloned();
        let stay = |place| Focus::Alerts(place);
        match (key, selected) {
            (KeyCode::Up | KeyCode::Char('k'), _) => self.focus = stay(place.saturating_sub(1)),
            (KeyCode::Down | KeyCode::Char('j'), _) => self.focus = stay((place + 1).min(last)),
            (KeyCode::Char('t'), _) => self.ask(Order::TestAlerts, String::new()),
            (KeyCode::Char('o'), Some(AlertView { id: Some(id), text, .. })) => self.ask(Order::Ack(id), text),
            (KeyCode::Char('m'), Some(AlertView { campaign: Some(campaign), .. })) => {
                self.ask(Order::Mute(Some(campaign.id)), format!("{} ({})", campaign.id, campaign.name));
            }
            (KeyCode::Char('M'), _) => self.ask(Order::Mute(None), String::new()),
            // Any other key closes the window.
            _ => {}
        }
    }

    /// Moves up or down: in the details if they fill the screen, else in the list.
    fn go(&mut self, lines: isize) {
        if self.details_enlarged {
            self.details_scroll = self.details_scroll.saturating_add_signed(lines);
        } else {
            self.select(self.selected_place().saturating_add_signed(lines));
        }
    }

    fn ask_for_selected(&mut self, order: impl FnOnce(&CampaignStatus) -> Order) {
        let asked = self.selected().map(|campaign| (order(campaign), format!("{} ({})", campaign.id, campaign.name)));
        match asked {
            Some((order, campaign)) => self.ask(order, campaign),
            None => self.notice = Some(Notice { text: "no campaign is selected".to_owned(), is_problem: true }),
        }
    }

    fn ask(&mut self, order: Order, campaign: String) {
        self.focus = Focus::Dialog(Dialog { order, campaign, reason_missing: false });
    }

    fn press_in_filter(&mut self, key: KeyEvent) {
        let mut text = self.filter.clone();
        match key.code {
            KeyCode::Esc => self.filter_by(String::new()),
            KeyCode::Enter => {}
            _ => {
                edit(&mut text, key);
                self.filter_by(text);
                self.focus = Focus::Filter;
            }
        }
    }

    fn filter_by(&mut self, text: String) {
        if text != self.filter {
            self.filter = text;
            self.list();
        }
    }

    fn press_in_dialog(&mut self, mut dialog: Dialog, key: KeyEvent) -> Option<Order> {
        dialog.reason_missing = false;
        let reason = reason_of(&mut dialog.order);
        match (key.code, reason) {
            (KeyCode::Esc, _) => return None,
            (KeyCode::Enter, Some(reason)) if reason.trim().is_empty() => dialog.reason_missing = true,
            (KeyCode::Enter, _) => {
                let text = format!("{}: sent, waiting for the answer", dialog.order);
                self.notice = Some(Notice { text, is_problem: false });
                return Some(dialog.order);
            }
            (_, Some(reason)) => edit(reason, key),
            (KeyCode::Char('y'), None) => {
                return self.press_in_dialog(dialog, KeyEvent::from(KeyCode::Enter));
            }
            (KeyCode::Char('n'), None) => return None,
            (_, None) => {}
        }
        self.focus = Focus::Dialog(dialog);
        None
    }
}

/// Returns the reason of an order, if the order needs one.
fn reason_of(order: &mut Order) -> Option<&mut String> {
    match order {
        Order::Hold(_, reason) | Order::PauseAll(reason) => Some(reason),
        Order::Process(_)
        | Order::Release(_)
        | Order::Enable(_)
        | Order::Disable(_)
        | Order::ReleaseAll
        | Order::Ack(_)
        | Order::Mute(_)
        | Order::TestAlerts => None,
    }
}

fn edit(text: &mut String, key: KeyEvent) {
    let with_control = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    match key.code {
        KeyCode::Backspace => {
            text.pop();
        }
        KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => text.clear(),
        KeyCode::Char(letter) if !with_control && text.chars().count() < LONGEST_TEXT => text.push(letter),
        _ => {}
    }
}
