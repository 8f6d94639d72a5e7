//! The members of a team in memory: millions are kept, so each is small, and what a draw touches of one is half a line of
//! the processor's cache. Names lie apart from it: a draw brings its own.

use super::fetch::fetch;
use super::numbered::{Numbered, make_room};
use super::pace::Pace;
use crate::domain::{Access, Credits, Member, MemberDraws, Membership, Role, UserId};

/// A member as decisions see it, and what it drew on the pool.
#[derive(Debug)]
#[repr(align(32))]
pub struct MemberCell {
    packed: Packed,
    /// By window.
    pub draws: MemberDraws,
}

const _: () = assert!(size_of::<MemberCell>() == 32, "a member is half a line of the cache, and lies across no two");

impl MemberCell {
    fn new(member: &Member) -> Self {
        Self { packed: Packed::new(member.membership()), draws: MemberDraws::default() }
    }

    /// As control last left it.
    #[inline]
    pub fn membership(&self) -> Membership {
        self.packed.membership()
    }
}

/// The members of a team by number; removed ones too: what they used in a window is kept.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Members {
    cells: Vec<MemberCell>,
    users: Numbered<UserId>,
    /// The team's epoch when each was last changed.
    epochs: Vec<u64>,
}

/// How the limits of a team's members are asked of, where many sidecars share them; empty where one has all.
#[derive(Debug, Default)]
pub struct Paces(Vec<Option<Box<Pace>>>);

impl Paces {
    /// How the limit of a member's number is asked of, if it is.
    pub fn of(&mut self, number: u32) -> &mut Option<Box<Pace>> {
        let at = number as usize;
        if at >= self.0.len() {
            self.0.resize_with(at + 1, || None);
        }
        &mut self.0[at]
    }
}

impl Members {
    /// The number of a user who is here. It stays the same.
    pub fn find(&self, user: &UserId) -> Option<u32> {
        self.users.find(user)
    }

    /// The user of a number.
    pub fn user(&self, number: u32) -> &UserId {
        &self.users[number]
    }

    /// The member of a number.
    pub fn cell(&self, number: u32) -> &MemberCell {
        &self.cells[number as usize]
    }

    /// Asks for the member of a number.
    #[inline]
    pub fn fetch(&self, number: u32) {
        let cell = self.cell(number);
        fetch(cell, size_of_val(cell));
    }

    /// Asks for the memory in which a user's number is looked for.
    pub fn fetch_place(&self, user: &UserId) {
        self.users.fetch(user);
    }

    /// Asks for a user's name and the member, where its number has come.
    pub fn fetch_named(&self, user: &UserId) {
        if let Some(number) = self.users.likely(user) {
            fetch(self.user(number), size_of::<UserId>());
            self.fetch(number);
        }
    }

    /// The member of a number, to change it.
    pub fn cell_mut(&mut self, number: u32) -> &mut MemberCell {
        &mut self.cells[number as usize]
    }

    /// A user's place, where it is a member.
    pub fn get(&self, user: &UserId) -> Option<&MemberCell> {
        self.find(user).map(|number| self.cell(number))
    }

    /// A user's place, to change it.
    pub fn get_mut(&mut self, user: &UserId) -> Option<&mut MemberCell> {
        self.find(user).map(|number| self.cell_mut(number))
    }

    /// The row of a number, as control last left it.
    pub fn member(&self, number: u32) -> Member {
        let Membership { role, access, opted_out, limit, removed } = self.cell(number).membership();
        let (user, epoch) = (self.user(number).clone(), self.epochs[number as usize]);
        Member { user, role, access, opted_out, limit, removed, epoch }
    }

    /// Takes rows over, each unless a newer one is known.
    pub fn follow_all(&mut self, members: &[&Member]) {
        // At a start a team's members come together: no memory is left over from growing.
        if self.cells.is_empty() {
            self.users.reserve(members.len());
            self.cells.reserve_exact(members.len());
            self.epochs.reserve_exact(members.len());
        }
        members.iter().for_each(|member| self.follow(member));
    }

    /// Takes a row over, unless a newer one is known.
    pub fn follow(&mut self, member: &Member) {
        let (number, is_new) = self.users.number(&member.user);
        if is_new {
            make_room(&mut self.cells);
            self.cells.push(MemberCell::new(member));
            make_room(&mut self.epochs);
            self.epochs.push(member.epoch);
        } else if self.epochs[number as usize] <= member.epoch {
            self.epochs[number as usize] = member.epoch;
            self.cell_mut(number).packed = Packed::new(member.membership());
        }
    }

    /// Takes any row over that is told next, however it is numbered.
    pub fn forget_epochs(&mut self) {
        self.epochs.fill(0);
    }

    /// All of them with their users.
    pub fn iter(&self) -> impl Iterator<Item = (&UserId, &MemberCell)> {
        self.users.as_slice().iter().zip(&self.cells)
    }

    /// All of them, to change them.
    pub fn cells_mut(&mut self) -> impl Iterator<Item = &mut MemberCell> {
        self.cells.iter_mut()
    }
}

/// A membership in one word: the limit and one in the lower bits, zero for none, then what else there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Packed(u64);

const LIMIT_BITS: u32 = 54;
const ROLE: u32 = LIMIT_BITS;
const ACCESS: u32 = ROLE + 2;
const OPTED_OUT: u32 = ACCESS + 2;
const REMOVED: u32 = OPTED_OUT + 1;

const _: () = assert!((Credits::MAX.micros() as u64) < (1 << LIMIT_BITS) - 1, "every limit fits its bits");

const ROLES: [Role; 3] = [Role::Owner, Role::Admin, Role::Member];
const ACCESSES: [Access; 3] = [Access::Seat, Access::Credits, Access::Personal];

impl Packed {
    fn new(membership: Membership) -> Self {
        let Membership { role, access, opted_out, limit, removed } = membership;
        let limit = limit.map_or(0, |limit| limit.micros().unsigned_abs() + 1);
        let (role, access) = (role as u64, access as u64);
        Self(
            limit | role << ROLE | access << ACCESS | u64::from(opted_out) << OPTED_OUT | u64::from(removed) << REMOVED,
        )
    }

    #[inline]
    fn membership(self) -> Membership {
        let limit = (self.0 & ((1 << LIMIT_BITS) - 1)) as i64;
        let two_bits = |at: u32| (self.0 >> at) as usize & 3;
        Membership {
            role: ROLES[two_bits(ROLE)],
            access: ACCESSES[two_bits(ACCESS)],
            opted_out: self.0 >> OPTED_OUT & 1 == 1,
            limit: Credits::from_micros(limit - 1),
            removed: self.0 >> REMOVED & 1 == 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_membership_comes_out_of_its_word_as_it_went_in() {
        for role in ROLES {
            for access in ACCESSES {
                for limit in [None, Some(Credits::ZERO), Credits::from_micros(1), Some(Credits::MAX)] {
                    for (opted_out, removed) in [(false, false), (true, false), (false, true), (true, true)] {
                        let membership = Membership { role, access, opted_out, limit, removed };
                        assert_eq!(Packed::new(membership).membership(), membership);
                    }
                }
            }
        }
    }

    #[test]
    fn an_older_row_changes_nothing_and_a_number_stays() {
        let user = |name: &str| UserId::new(name).expect("a name");
        let row = |name: &str, epoch, removed| Member { epoch, removed, ..Member::new(user(name)) };
        let mut members = Members::default();
        members.follow(&row("ana", 2, false));
        let ana = members.find(&user("ana")).expect("has come");
        for number in 0..100 {
            members.follow(&row(&format!("other-{number}"), 1, false));
        }
        members.follow(&row("ana", 1, true));
        assert_eq!(members.member(ana), row("ana", 2, false));
        members.follow(&row("ana", 3, true));
        assert_eq!((members.find(&user("ana")), members.member(ana)), (Some(ana), row("ana", 3, true)));
        assert_eq!(members.find(&user("bob")), None);
    }
}
