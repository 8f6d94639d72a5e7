//! Debits without look-ups by name and without remembering: the rules, the entry and the journal's queue,
//! under the team's lock and the book's.

use std::cell::RefCell;

use parking_lot::Mutex;
use purser::domain::decide::{Ask, Asker, Rights, decide};
use purser::domain::hold::debited;
use purser::domain::{
    Access, Book, Drawer, Heading, Member, MemberDraws, OperationId, Payer, Scopes, SubscriptionId, Team, Window,
};
use purser::engine::{JournalLog, log::Log};

use super::{LIMIT, Sizes, credits, name, new_log, now, team_id, team_row, user_id};

struct Cell {
    team: Team,
    members: Vec<(Member, MemberDraws, Drawer)>,
    book: Mutex<Book>,
}

/// Teams by number.
pub struct Bare {
    cells: Vec<Mutex<Cell>>,
    log: JournalLog,
    id: OperationId,
    drawn: RefCell<i64>,
}

impl Bare {
    /// Teams of equal size, each with a pool, and their members with limits.
    pub fn new(sizes: Sizes) -> Self {
        let cells = (0..sizes.teams).map(|team| Mutex::new(cell(team, sizes.members))).collect();
        let id = OperationId::new(&name("d", 0, 0)).expect("a name");
        Self { cells, log: new_log(), id, drawn: RefCell::new(0) }
    }

    /// Where entries are handed.
    pub fn log(&self) -> &JournalLog {
        &self.log
    }

    /// One debit by each of these.
    pub fn debit_all(&self, members: &[(usize, usize)]) {
        members.iter().for_each(|&(team, member)| self.debit(team, member));
    }

    fn debit(&self, team: usize, member: usize) {
        let mut room = self.log.reserve(1).expect("there is room");
        let Cell { team, members, book } = &mut *self.cells[team].lock();
        let (member, draws, drawer) = &mut members[member];
        let book = &mut *book.lock();
        let ask =
            Ask { credits: purser::domain::Credits::from_micros(1).expect("small"), min_credits: None, model: None };
        let asker = Asker { user: &member.user, place: Some((team, member.membership())) };
        let granted = decide(&asker, &Rights::default(), Some(book), |window| draws.of(window), &ask, now());
        let heading = Heading { at: now(), id: self.id.clone(), drawer: drawer.clone() };
        let mut scopes = Scopes { book, member: Some(draws) };
        let entry = debited(heading, granted.expect("is allowed"), None, 0, &scopes).expect("is in range");
        scopes.apply(&entry);
        *self.drawn.borrow_mut() += self.log.push(&mut room, &entry) as i64;
    }
}

fn cell(team: usize, members: usize) -> Cell {
    let subscription = SubscriptionId::new(&name("s", team, 0)).expect("a name");
    let row = team_row(team, members);
    let mut book = Book::new(subscription.clone(), user_id(team, 0));
    let (start, end) = (now(), now().plus_millis(30 * 24 * 3_600_000));
    book.lend(Window { start, end }, credits(1_000 * LIMIT), credits(0), end);
    let member = |number| {
        let user = user_id(team, number);
        let drawer = Drawer {
            team: Some(team_id(team)),
            member: user.clone(),
            payer: Payer::Pool,
            subscription: subscription.clone(),
        };
        let member = Member { access: Access::Seat, limit: Some(credits(LIMIT)), ..Member::new(user) };
        (member, MemberDraws::default(), drawer)
    };
    Cell { team: row, members: (0..members).map(member).collect(), book: Mutex::new(book) }
}
