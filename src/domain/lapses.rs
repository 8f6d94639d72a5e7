//! What is set aside, by when it lapses. Most members hold one thing at a time, or nothing, and some books many thousands: what
//! is alone lies here, a few in a row, and more in a tree.

use std::collections::BTreeMap;
use std::slice;

use super::credits::Credits;
use super::time::Timestamp;

/// So many lie in a row at the most; half as many go back into one.
const ROW_MAX: usize = 16;

/// What is set aside, by when it lapses; never nothing at an instant.
#[derive(Clone, Debug, Default)]
pub struct Lapses(Form);

#[derive(Clone, Debug, Default)]
enum Form {
    #[default]
    None,
    One(Lapse),
    /// By time.
    Row(Vec<Lapse>),
    #[expect(clippy::box_collection, reason = "a tree that lay here would make room for itself in all who have none")]
    Tree(Box<BTreeMap<Timestamp, Credits>>),
}

type Lapse = (Timestamp, Credits);

const _: () = assert!(size_of::<Lapses>() == 24, "what lapses takes no more than an empty tree");

impl Lapses {
    /// Whether nothing is set aside.
    #[inline]
    pub fn is_empty(&self) -> bool {
        matches!(self.0, Form::None)
    }

    /// What lapses at an instant.
    pub fn at(&self, at: Timestamp) -> Credits {
        let found = match &self.0 {
            Form::Tree(tree) => tree.get(&at).copied(),
            form => find(form.row(), at).ok().map(|index| form.row()[index].1),
        };
        found.unwrap_or_default()
    }

    /// What lapses until `now`. Apart, so that who holds nothing does without a call.
    #[inline(never)]
    pub fn until(&self, now: Timestamp) -> Credits {
        let sum = |sum: Credits, credits: Credits| sum.plus(credits);
        match &self.0 {
            Form::Tree(tree) => tree.range(..=now).map(|(_, &credits)| credits).fold(Credits::ZERO, sum),
            form => {
                let lapsed = form.row().iter().take_while(|(at, _)| *at <= now);
                lapsed.map(|(_, credits)| *credits).fold(Credits::ZERO, sum)
            }
        }
    }

    /// When the next lapses after `now`.
    pub fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        match &self.0 {
            Form::Tree(tree) => tree.range(now.plus_millis(1)..).next().map(|(&at, _)| at),
            form => form.row().iter().map(|(at, _)| *at).find(|at| *at > now),
        }
    }

    /// Sets more aside until `at`.
    pub fn add(&mut self, at: Timestamp, credits: Credits) {
        if credits.is_zero() {
            return;
        }
        if let Form::Tree(tree) = &mut self.0 {
            let slot = tree.entry(at).or_default();
            *slot = slot.plus(credits);
            return;
        }
        match find(self.0.row(), at) {
            Ok(index) => {
                let slot = &mut self.0.row_mut()[index].1;
                *slot = slot.plus(credits);
            }
            Err(index) => self.insert(index, (at, credits)),
        }
    }

    /// Sets less aside until `at`.
    ///
    /// # Panics
    /// When not as much is set aside until then.
    pub fn take(&mut self, at: Timestamp, credits: Credits) {
        if credits.is_zero() {
            return;
        }
        let left = self.at(at).minus(credits);
        if left.is_zero() {
            return self.remove(at);
        }
        match &mut self.0 {
            Form::Tree(tree) => _ = tree.insert(at, left),
            form => {
                let index = find(form.row(), at).expect("something is set aside until then");
                form.row_mut()[index].1 = left;
            }
        }
    }

    /// Inserts what is not in the row at its place there.
    fn insert(&mut self, index: usize, lapse: Lapse) {
        match &mut self.0 {
            Form::None => self.0 = Form::One(lapse),
            Form::One(other) => {
                let mut row = vec![*other];
                row.insert(index, lapse);
                self.0 = Form::Row(row);
            }
            Form::Row(row) if row.len() < ROW_MAX => row.insert(index, lapse),
            Form::Row(row) => {
                let all = row.iter().copied().chain([lapse]);
                self.0 = Form::Tree(Box::new(all.collect()));
            }
            Form::Tree(_) => unreachable!("a tree is no row"),
        }
    }

    fn remove(&mut self, at: Timestamp) {
        match &mut self.0 {
            Form::None | Form::One(_) => self.0 = Form::None,
            Form::Row(row) => {
                row.retain(|(other, _)| *other != at);
                if let [last] = row[..] {
                    self.0 = Form::One(last);
                }
            }
            Form::Tree(tree) => {
                tree.remove(&at);
                if tree.len() <= ROW_MAX / 2 {
                    self.0 = Form::Row(tree.iter().map(|(&at, &credits)| (at, credits)).collect());
                }
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = Lapse> {
        let tree = match &self.0 {
            Form::Tree(tree) => Some(tree.iter().map(|(&at, &credits)| (at, credits))),
            _ => None,
        };
        self.0.row().iter().copied().chain(tree.into_iter().flatten())
    }
}

/// Whether the same lapses when, however it lies.
impl PartialEq for Lapses {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Lapses {}

impl Form {
    /// What lies in a row.
    #[inline]
    fn row(&self) -> &[Lapse] {
        match self {
            Self::None | Self::Tree(_) => &[],
            Self::One(lapse) => slice::from_ref(lapse),
            Self::Row(row) => row,
        }
    }

    fn row_mut(&mut self) -> &mut [Lapse] {
        match self {
            Self::None | Self::Tree(_) => &mut [],
            Self::One(lapse) => slice::from_mut(lapse),
            Self::Row(row) => row,
        }
    }
}

fn find(row: &[Lapse], at: Timestamp) -> Result<usize, usize> {
    row.binary_search_by_key(&at, |(at, _)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).expect("1970 to 9999")
    }

    fn micros(micros: i64) -> Credits {
        Credits::from_micros(micros).expect("an amount")
    }

    /// Each answer as a tree alone gives it.
    fn compare(lapses: &Lapses, model: &BTreeMap<Timestamp, Credits>, now: Timestamp) {
        assert_eq!(lapses.is_empty(), model.is_empty());
        assert_eq!(lapses.at(now), model.get(&now).copied().unwrap_or_default());
        let until = model.range(..=now).fold(0, |sum, (_, credits)| sum + credits.micros());
        assert_eq!(lapses.until(now), micros(until));
        assert_eq!(lapses.next_after(now), model.keys().copied().find(|at| *at > now));
        assert!(lapses.iter().eq(model.iter().map(|(&at, &credits)| (at, credits))));
        let mut anew = Lapses::default();
        model.iter().rev().for_each(|(&at, &credits)| anew.add(at, credits));
        assert_eq!(*lapses, anew);
    }

    #[test]
    fn it_answers_as_a_tree_does_however_much_is_set_aside() {
        let mut state = 0x1A95E5_u64;
        let mut random = |below: i64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as i64 % below
        };
        let (mut lapses, mut model) = (Lapses::default(), BTreeMap::<_, Credits>::new());
        let mut forms = [0; 4];
        for step in 0..20_000 {
            // In turn more comes than goes, up to a tree, and more goes than comes, down to nothing.
            let comes = random(5) < if step / 200 % 2 == 0 { 4 } else { 1 };
            let some = (!model.is_empty()).then(|| random(model.len() as i64) as usize);
            match some.and_then(|some| model.iter().nth(some)).map(|(&at, &credits)| (at, credits)) {
                Some((when, held)) if !comes => {
                    let credits = if step % 3 == 0 { micros(random(held.micros() + 1)) } else { held };
                    lapses.take(when, credits);
                    model.insert(when, held.minus(credits));
                }
                _ => {
                    let (when, credits) = (at(random(40)), micros(random(5)));
                    lapses.add(when, credits);
                    let slot = model.entry(when).or_insert(Credits::ZERO);
                    *slot = slot.plus(credits);
                }
            }
            model.retain(|_, credits| !credits.is_zero());
            compare(&lapses, &model, at(random(41)));
            forms[match lapses.0 {
                Form::None => 0,
                Form::One(_) => 1,
                Form::Row(_) => 2,
                Form::Tree(_) => 3,
            }] += 1;
        }
        assert!(forms.iter().all(|&times| times > 20), "each form comes and goes: {forms:?}");
    }

    #[test]
    #[should_panic = "no more is taken"]
    fn no_more_is_taken_than_is_set_aside() {
        let mut lapses = Lapses::default();
        lapses.add(at(1), micros(2));
        lapses.take(at(1), micros(3));
    }
}
