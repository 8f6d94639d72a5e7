//! Members as a database packs them: for each team a text for each column, with what all of its members have.
//! To hand over a row for each member takes far more than to read it.
//!
//! How a database makes these rows is in its own folder.

use std::fmt::Display;
use std::str::Split;

use crate::domain::{Credits, Member, Team, TeamId, UserId};

/// Members that are read at once, about: bounds the memory of a start.
const TOGETHER: usize = 8_192;

/// Stands for a member without a limit.
const NO_LIMIT: &str = "-";

/// Teams in the order of their ids, cut into pages by how many members they have.
#[derive(Debug, Default)]
pub struct Pages {
    /// After which team each page begins, none for the first, and with which it ends.
    ranges: Vec<(Option<TeamId>, TeamId)>,
    /// Teams and members of the last page.
    filled: usize,
}

impl Pages {
    /// The next team.
    pub fn add(&mut self, team: &Team) {
        let count = team.members as usize + 1;
        match self.ranges.last_mut() {
            Some((_, last)) if self.filled + count <= TOGETHER => {
                last.clone_from(&team.id);
                self.filled += count;
            }
            before => {
                let after = before.map(|(_, last)| last.clone());
                self.ranges.push((after, team.id.clone()));
                self.filled = count;
            }
        }
    }

    /// The pages: after which team each begins, an empty text for the first, and with which it ends.
    pub fn ranges(&self) -> impl Iterator<Item = (&str, &str)> {
        self.ranges.iter().map(|(after, last)| (after.as_ref().map_or("", TeamId::as_str), last.as_str()))
    }
}

/// What the members of one team have, in one order. Flags are `0` and `1` with nothing between; what has more characters is
/// parted by spaces, which no id has.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a> {
    /// Ids of users.
    pub users: &'a str,
    /// Words.
    pub roles: &'a str,
    /// Words.
    pub accesses: &'a str,
    /// Flags.
    pub opted_out: &'a str,
    /// In micro-credits, or `-`.
    pub limits: &'a str,
    /// Flags.
    pub removed: &'a str,
    /// Numbers.
    pub epochs: &'a str,
}

/// What is wrong with a packed column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The column.
    pub column: &'static str,
    /// Why it cannot be.
    pub cause: String,
}

impl Packed<'_> {
    /// The members, where the users' column has this name.
    pub fn members(self, user: &'static str) -> Result<Vec<Member>, Wrong> {
        let mut users = Texts { column: user, rest: self.users.split(' ') };
        let mut roles = Texts { column: "role", rest: self.roles.split(' ') };
        let mut accesses = Texts { column: "access", rest: self.accesses.split(' ') };
        let mut limits = Texts { column: "draw_limit", rest: self.limits.split(' ') };
        let mut epochs = Texts { column: "epoch", rest: self.epochs.split(' ') };
        let member = |(at, opted_out): (usize, u8)| {
            let role = roles.next(|text| text.parse().map_err(|()| UNKNOWN))?;
            let access = accesses.next(|text| text.parse().map_err(|()| UNKNOWN))?;
            Ok(Member {
                user: users.next(UserId::new)?,
                role,
                access,
                opted_out: flag("opted_out", Some(opted_out))?,
                limit: limits.next(limit)?,
                removed: flag("removed", self.removed.as_bytes().get(at).copied())?,
                epoch: epochs.next(str::parse)?,
            })
        };
        let members = self.opted_out.bytes().enumerate().map(member).collect::<Result<Vec<_>, _>>()?;
        users.end()?;
        Ok(members)
    }
}

const UNKNOWN: &str = "is none of the words known here";

fn limit(text: &str) -> Result<Option<Credits>, &'static str> {
    if text == NO_LIMIT {
        return Ok(None);
    }
    let credits = text.parse().ok().and_then(Credits::from_micros);
    credits.map(Some).ok_or("is not an amount of micro-credits")
}

fn flag(column: &'static str, byte: Option<u8>) -> Result<bool, Wrong> {
    match byte {
        Some(b'0') => Ok(false),
        Some(b'1') => Ok(true),
        _ => Err(Wrong { column, cause: "is neither 0 nor 1".to_owned() }),
    }
}

/// The texts of a column that are left.
struct Texts<'a> {
    column: &'static str,
    rest: Split<'a, char>,
}

impl<'a> Texts<'a> {
    fn next<T, E: Display>(&mut self, read: impl FnOnce(&'a str) -> Result<T, E>) -> Result<T, Wrong> {
        let wrong = |cause| Wrong { column: self.column, cause };
        let text = self.rest.next().ok_or_else(|| wrong("has too few values".to_owned()))?;
        read(text).map_err(|error| wrong(format!("{text:?} {error}")))
    }

    fn end(&mut self) -> Result<(), Wrong> {
        let is_more = self.rest.next().is_some();
        if is_more {
            Err(Wrong { column: self.column, cause: "has too many values, or a space in one".to_owned() })
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Access, Role, Whitelist};

    const TWO: Packed<'_> = Packed {
        users: "ana bob",
        roles: "owner member",
        accesses: "seat personal",
        opted_out: "01",
        limits: "- 1500000",
        removed: "10",
        epochs: "3 4",
    };

    #[test]
    fn members_come_out_one_by_one() {
        let user = |name| UserId::new(name).expect("a name");
        let ana =
            Member { role: Role::Owner, access: Access::Seat, removed: true, epoch: 3, ..Member::new(user("ana")) };
        let limit = Credits::from_micros(1_500_000);
        let bob = Member { opted_out: true, limit, epoch: 4, ..Member::new(user("bob")) };
        assert_eq!(TWO.members("user"), Ok(vec![ana, bob]));
    }

    #[test]
    fn what_no_member_has_is_told_with_its_column() {
        let column = |packed: Packed<'_>| packed.members("user").expect_err("it cannot be").column;
        assert_eq!(column(Packed { users: "ana b/b", ..TWO }), "user");
        assert_eq!(column(Packed { users: "ana", ..TWO }), "user");
        assert_eq!(column(Packed { users: "ana bob cem", ..TWO }), "user");
        assert_eq!(column(Packed { roles: "owner lord", ..TWO }), "role");
        assert_eq!(column(Packed { accesses: "seat", ..TWO }), "access");
        assert_eq!(column(Packed { opted_out: "02", ..TWO }), "opted_out");
        assert_eq!(column(Packed { limits: "- -1", ..TWO }), "draw_limit");
        assert_eq!(column(Packed { removed: "1", ..TWO }), "removed");
        assert_eq!(column(Packed { epochs: "3 x", ..TWO }), "epoch");
    }

    #[test]
    fn a_page_has_as_many_teams_as_have_its_members() {
        let mut pages = Pages::default();
        assert_eq!(pages.ranges().count(), 0);
        for (id, members) in [("a", 0), ("b", 8_190), ("c", 20_000), ("d", 1), ("e", 1)] {
            let id = TeamId::new(id).expect("a name");
            let owner = UserId::new("olga").expect("a name");
            let (name, subscription, whitelist) = (String::new(), None, Whitelist::default());
            pages.add(&Team { id, name, owner, subscription, whitelist, seats_taken: 0, members, epoch: 1 });
        }
        assert_eq!(pages.ranges().collect::<Vec<_>>(), [("", "b"), ("b", "c"), ("c", "e")]);
    }
}
