//! The language of the tables. A table is lines, a line is commands joined by ` / `, and a command
//! may say after `->` what it answers: words such as `allow` or `replayed`, and names with values.
//! Only what is written is compared.
//!
//! The world starts on 2026-11-01 with olga's subscription `pool` of 10 seats and no credits,
//! assigned to the team `acme`, where olga has a seat. Windows begin on the first of the month.
//! `ana` means ana in acme, `ana/beta` in beta, `~ana` ana without a team.

use std::collections::BTreeMap;

use purser::engine::Options;

use crate::support::{World, at};

mod control;
mod names;
mod operations;
mod show;

/// What a command answered, by name; words without a value have an empty one.
type Answer = BTreeMap<&'static str, String>;

/// Runs a table and checks what its lines expect.
#[track_caller]
pub fn check(table: &str) {
    check_with(Options::default(), table);
}

/// Runs a table in a world with other options.
#[track_caller]
pub fn check_with(options: Options, table: &str) {
    let mut teller = Teller { world: World::new(options, at("2026-11-01T00:00:00Z")), purchases: 0 };
    teller.begin();
    for line in table.lines().flat_map(|line| line.split(" / ")) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            teller.tell(line);
        }
    }
}

/// Tells a table's lines to a world.
struct Teller {
    world: World,
    purchases: u32,
}

impl Teller {
    fn begin(&mut self) {
        self.tell("month pool 0 seats 10");
        self.tell("team acme owner olga");
    }

    #[track_caller]
    fn tell(&mut self, line: &str) {
        let (command, expected) = line.split_once("->").unwrap_or((line, ""));
        let words: Vec<&str> = command.split_whitespace().collect();
        let answer = self.run(&Words(&words)).unwrap_or_else(|| panic!("no such command: {line}"));
        let mut expected: Vec<&str> = expected.split_whitespace().collect();
        if words[0] == "expect" {
            expected = words[2..].to_vec();
        }
        if expected.is_empty() {
            let fine = ["allow", "ok"].iter().any(|word| answer.contains_key(word));
            assert!(fine, "`{line}` should have gone well: {answer:?}");
        }
        compare(line, &expected, &answer);
    }

    fn run(&mut self, words: &Words<'_>) -> Option<Answer> {
        match words.0[0] {
            "at" => {
                self.pass(words.0[1]);
                Some(Answer::from([("ok", String::new())]))
            }
            "debit" | "hold" | "check" | "settle" | "release" | "extend" | "refund" => Some(self.operate(words)),
            "expect" => Some(self.show(words.0[1])),
            _ => self.command(words),
        }
    }

    fn pass(&mut self, to: &str) {
        match to.strip_prefix('+') {
            Some(span) => self.world.pass(names::millis(span)),
            None => self.world.now = at(to),
        }
    }
}

/// A command's words.
struct Words<'a>(&'a [&'a str]);

impl Words<'_> {
    /// The word after `name`.
    fn after(&self, name: &str) -> Option<&str> {
        let at = self.0.iter().position(|word| *word == name)?;
        self.0.get(at + 1).copied()
    }
}

#[track_caller]
fn compare(line: &str, expected: &[&str], answer: &Answer) {
    let mut words = expected.iter();
    while let Some(word) = words.next() {
        let found = answer.get(word).unwrap_or_else(|| panic!("`{line}`: no `{word}` in {answer:?}"));
        if found.is_empty() {
            continue;
        }
        let wanted = words.next().unwrap_or_else(|| panic!("`{line}`: `{word}` of what value?"));
        assert_eq!(found, wanted, "`{line}`: `{word}` in {answer:?}");
    }
}
