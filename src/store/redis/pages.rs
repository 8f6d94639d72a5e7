//! Pages of the ledger: entries, and runs of them that are read in their teams' streams.

use std::collections::BTreeMap;

use super::failure::Failure;
use super::fetch::of_value;
use super::keys::Keys;
use super::ledger::{self, Run};
use super::link::Link;
use crate::domain::TeamId;
use crate::store::LedgerEntry;
use crate::store::read::{Filter, Scope, page};

/// Entries that are read at once while a page is looked for.
const SCAN: usize = 1_000;

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
    let (limit, mut after, mut found) = (page(limit), after, Vec::new());
    let count = match filter {
        Filter {
            member: None, kind: None, id: None, from: None, to: None, scope: Scope::All | Scope::Team(_), ..
        } => limit,
        _ => SCAN,
    };
    loop {
        let Scanned { entries, next } = scan(link, keys, &stream, filter.newest_first, after, count).await?;
        found.extend(entries.into_iter().filter(|entry| filter.admits(entry)));
        if next.is_none() || found.len() >= limit {
            found.truncate(limit);
            return Ok(found);
        }
        after = next;
    }
}

/// What one look into a stream of the ledger found.
pub struct Scanned {
    /// The entries, in the order asked for.
    pub entries: Vec<LedgerEntry>,
    /// Where the next look begins; `None`: there is nothing more.
    pub next: Option<u64>,
}

/// What a stream keeps under one id: the id, and names and values in turns.
type Message = (String, Vec<String>);

/// At most `count` entries of a stream after a position, in either direction.
pub async fn scan(
    link: &Link,
    keys: &Keys,
    stream: &str,
    newest_first: bool,
    after: Option<u64>,
    count: usize,
) -> Result<Scanned, Failure> {
    let (mut entries, mut runs, mut edge) = (Vec::new(), Vec::new(), after);
    let mut room = count as u64;
    for (id, fields) in messages(link, stream, newest_first, after, count).await? {
        let Some(run) = ledger::run(&id, &fields)? else {
            let entry = ledger::entry(&id, &fields)?;
            if room > 0 && is_after(entry.position, after, newest_first) {
                edge = Some(entry.position);
                room -= 1;
                entries.push(entry);
            }
            continue;
        };
        if let Some(run) = cut(run, newest_first, after, room) {
            edge = Some(if newest_first { run.first } else { run.last });
            room -= run.last - run.first + 1;
            runs.push(run);
        }
    }
    entries.extend(of_teams(link, keys, runs).await?);
    entries.sort_unstable_by_key(|entry| entry.position);
    if newest_first {
        entries.reverse();
    }
    Ok(Scanned { entries, next: edge.filter(|_| room == 0) })
}

async fn messages(
    link: &Link,
    stream: &str,
    newest_first: bool,
    after: Option<u64>,
    count: usize,
) -> Result<Vec<Message>, Failure> {
    let mut commands = redis::pipe();
    let edge = |open: &str| after.map_or_else(|| open.to_owned(), |after| format!("({after}-0"));
    if newest_first {
        if let Some(after) = after {
            // The run in which the position is has a later one's name.
            commands.cmd("XRANGE").arg(stream).arg(format!("{after}-0")).arg("+").arg("COUNT").arg(1);
        }
        commands.cmd("XREVRANGE").arg(stream).arg(edge("+")).arg("-").arg("COUNT").arg(count);
    } else {
        commands.cmd("XRANGE").arg(stream).arg(edge("-")).arg("+").arg("COUNT").arg(count);
    }
    let mut found = Vec::new();
    for answer in link.read(&commands).await? {
        found.extend(of_value::<Vec<Message>>(answer)?);
    }
    Ok(found)
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
        commands.cmd("XRANGE").arg(keys.team_ledger(team)).arg(format!("{first}-0")).arg(format!("{last}-0"));
    }
    let mut entries = Vec::new();
    for answer in link.read(&commands).await? {
        for (id, fields) in of_value::<Vec<Message>>(answer)? {
            entries.push(ledger::entry(&id, &fields)?);
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
