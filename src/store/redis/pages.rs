//! Pages of the ledger: entries, and runs of them that are read in their teams' streams.

use std::collections::BTreeMap;

use super::failure::Failure;
use super::fetch::of_value;
use super::keys::Keys;
use super::link::Link;
use super::message::{self, Run};
use crate::domain::TeamId;
use crate::store::LedgerEntry;
use crate::store::read::{Filter, Scope, page};

/// Entries that are read at once while a page is looked for.
const SCAN: usize = 1_000;

/// Messages that are asked for first: each may have a hundred entries, or one.
const MESSAGES_MIN: usize = 10;

/// A page of the ledger. What the scope's stream does not tell apart is sieved while reading on.
pub async fn entries(
    link: &Link,
    keys: &Keys,
    filter: &Filter,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<LedgerEntry>, Failure> {
    let stream = match &filter.scope {
        Scope::Team(team) => keys.team_ledger(team),
        _ => keys.ledger(),
    };
    let (limit, mut found) = (page(limit), Vec::new());
    let count = match filter {
        Filter {
            member: None, kind: None, id: None, from: None, to: None, scope: Scope::All | Scope::Team(_), ..
        } => limit,
        _ => SCAN,
    };
    let mut scan = Scan::new(stream, filter.newest_first, after);
    while let Some(entries) = scan.next(link, keys, count).await? {
        found.extend(entries.into_iter().filter(|entry| filter.admits(entry)));
        if found.len() >= limit {
            break;
        }
    }
    found.truncate(limit);
    Ok(found)
}

/// Looks into a stream of the ledger one after the other, in either direction.
pub struct Scan {
    stream: String,
    newest_first: bool,
    /// What has been looked at ends here; `None`: nothing has.
    pub after: Option<u64>,
    messages: usize,
    is_over: bool,
}

/// What a stream keeps under one id: the id, and names and values in turns.
type Message = (String, Vec<String>);

impl Scan {
    /// A scan that begins after a position.
    pub const fn new(stream: String, newest_first: bool, after: Option<u64>) -> Self {
        Self { stream, newest_first, after, messages: MESSAGES_MIN, is_over: false }
    }

    /// At most `count` further entries, in the order asked for; `None`: there is nothing more.
    pub async fn next(&mut self, link: &Link, keys: &Keys, count: usize) -> Result<Option<Vec<LedgerEntry>>, Failure> {
        if self.is_over {
            return Ok(None);
        }
        let (newest_first, after) = (self.newest_first, self.after);
        let asked = self.messages.min(count);
        let (messages, is_last) = messages(link, &self.stream, newest_first, after, asked).await?;
        // Where messages are small, more of them.
        self.messages = self.messages.saturating_mul(4);
        let (mut entries, mut runs, mut room) = (Vec::new(), Vec::new(), count as u64);
        for (id, fields) in messages {
            if let Some(run) = message::run(&id, &fields)? {
                if let Some(run) = cut(run, newest_first, after, room) {
                    self.after = Some(if newest_first { run.first } else { run.last });
                    room -= run.last - run.first + 1;
                    runs.push(run);
                }
                continue;
            }
            let mut found = message::entries(&id, &fields)?;
            if newest_first {
                found.reverse();
            }
            found.retain(|entry| is_after(entry.position, after, newest_first));
            found.truncate(usize::try_from(room).unwrap_or(usize::MAX));
            room -= found.len() as u64;
            self.after = found.last().map(|entry| entry.position).or(self.after);
            entries.extend(found);
        }
        self.is_over = is_last && room > 0;
        entries.extend(of_teams(link, keys, runs).await?);
        entries.sort_unstable_by_key(|entry| entry.position);
        if newest_first {
            entries.reverse();
        }
        Ok(Some(entries))
    }
}

/// Messages after a position, and whether these are the last.
async fn messages(
    link: &Link,
    stream: &str,
    newest_first: bool,
    after: Option<u64>,
    count: usize,
) -> Result<(Vec<Message>, bool), Failure> {
    let mut commands = redis::pipe();
    let edge = |open: &str| after.map_or_else(|| open.to_owned(), |after| format!("({after}-0"));
    if newest_first {
        if let Some(after) = after {
            // The run or the message in which the position is has a later one's name.
            commands.cmd("XRANGE").arg(stream).arg(format!("{after}-0")).arg("+").arg("COUNT").arg(1);
        }
        commands.cmd("XREVRANGE").arg(stream).arg(edge("+")).arg("-").arg("COUNT").arg(count);
    } else {
        commands.cmd("XRANGE").arg(stream).arg(edge("-")).arg("+").arg("COUNT").arg(count);
    }
    let (mut found, mut is_last) = (Vec::new(), true);
    for answer in link.read(&commands).await? {
        let messages = of_value::<Vec<Message>>(answer)?;
        is_last = messages.len() < count;
        found.extend(messages);
    }
    Ok((found, is_last))
}

const fn is_after(position: u64, after: Option<u64>, newest_first: bool) -> bool {
    match after {
        None => true,
        Some(after) if newest_first => position < after,
        Some(after) => position > after,
    }
}

/// The part of a run that is after a position, at most `room` entries of it.
fn cut(run: Run, newest_first: bool, after: Option<u64>, room: u64) -> Option<Run> {
    let Run { team, mut first, mut last } = run;
    match (after, newest_first) {
        (None, _) => {}
        (Some(after), true) => last = last.min(after.checked_sub(1)?),
        (Some(after), false) => first = first.max(after + 1),
    }
    let rest = room.checked_sub(1)?;
    match newest_first {
        true => first = first.max(last.saturating_sub(rest)),
        false => last = last.min(first.saturating_add(rest)),
    }
    (first <= last).then_some(Run { team, first, last })
}

/// The entries of runs that follow each other. Those of one team between two positions are exactly those of its
/// runs between them.
async fn of_teams(link: &Link, keys: &Keys, runs: Vec<Run>) -> Result<Vec<LedgerEntry>, Failure> {
    let mut teams: BTreeMap<TeamId, (u64, u64)> = BTreeMap::new();
    for Run { team, first, last } in runs {
        let (from, to) = teams.entry(team).or_insert((first, last));
        (*from, *to) = ((*from).min(first), (*to).max(last));
    }
    if teams.is_empty() {
        return Ok(Vec::new());
    }
    let mut commands = redis::pipe();
    for (team, (first, last)) in &teams {
        let stream = keys.team_ledger(team);
        commands.cmd("XRANGE").arg(&stream).arg(format!("{first}-0")).arg(format!("{last}-0"));
        // The message in which the last position is may go on behind it.
        commands.cmd("XRANGE").arg(&stream).arg(format!("({last}-0")).arg("+").arg("COUNT").arg(1);
    }
    let (mut entries, mut answers) = (Vec::new(), link.read(&commands).await?.into_iter());
    for (first, last) in teams.values() {
        for answer in answers.by_ref().take(2) {
            for (id, fields) in of_value::<Vec<Message>>(answer)? {
                let found = message::entries(&id, &fields)?.into_iter();
                entries.extend(found.filter(|entry| (*first..=*last).contains(&entry.position)));
            }
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_takes_of_a_run_what_is_after_the_cursor_and_has_room() {
        let team = TeamId::new("t").expect("an id");
        let run = |first, last| Run { team: team.clone(), first, last };
        for (newest_first, after, room, part) in [
            (false, None, 9, Some((4, 8))),
            (false, Some(5), 9, Some((6, 8))),
            (false, Some(5), 2, Some((6, 7))),
            (false, Some(8), 9, None),
            (false, None, 0, None),
            (true, None, 9, Some((4, 8))),
            (true, Some(7), 9, Some((4, 6))),
            (true, Some(7), 2, Some((5, 6))),
            (true, Some(4), 9, None),
            (true, Some(0), 9, None),
        ] {
            let part = part.map(|(first, last)| run(first, last));
            assert_eq!(cut(run(4, 8), newest_first, after, room), part, "{newest_first} {after:?} {room}");
        }
    }
}
