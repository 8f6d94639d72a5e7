//! One transaction over rows: read them with their versions, run a rule until no row is missing, commit
//! what it changed if nothing that was read has changed meanwhile, else begin again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::begun::{self, Days};
use super::failure::Failure;
use super::fetch::{Fetched, Read, fetch, of_value};
use super::keys::Keys;
use super::library::{self, Committed, Fence};
use super::link::Link;
use super::payload::Payload;
use super::rows::{Json, after_word};
use super::save::{self, Push};
use super::turn::{self, Turn};
use crate::root::{Key, Missing, Root, Row, Rows, Sharing, operate};
use crate::store::commit::Commit;
use crate::store::{RULE_RUNS_MAX, StoreError, widened};

/// How often a transaction begins again because others were faster. The verb's deadline mostly ends it first.
const TRIES_MAX: u32 = 200;

/// The first pause before another try is at most so long, every further one twice that, up to the last.
const PAUSE: Duration = Duration::from_micros(500);
const PAUSE_DOUBLINGS_MAX: u32 = 5;

/// What a transaction saves and whom it tells.
pub struct Saving {
    /// What it saves.
    pub commit: Commit,
    /// Whom it tells.
    pub push: Push,
    /// For how long its draws keep their ids to themselves; `None`: it has none.
    pub days: Option<Days>,
}

/// Where transactions run.
pub struct Desk {
    /// The server.
    pub link: Link,
    /// The names of its keys.
    pub names: Keys,
    /// Whether the store has been known to this process: then it is not new any more.
    is_known: AtomicBool,
}

/// Whether a rule may run again after a commit of which nobody knows whether it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It finds out by itself what has been done.
    Harmless,
    /// The caller is to decide.
    Doubtful,
}

/// When to look up whether somebody has entered draws before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looks {
    /// With the commit, which is nearly always the first to enter them.
    Late,
    /// Before the rule runs.
    First,
}

impl Desk {
    /// Transactions over a connection.
    pub fn new(link: Link, names: Keys) -> Self {
        Self { link, names, is_known: AtomicBool::new(false) }
    }

    /// Runs a rule over rows, of which `keys` are read at once; saves what `saving` makes of its answer.
    /// Answers what the rule answered, and its rows.
    pub async fn transact<T>(
        &self,
        keys: Vec<Key>,
        repeat: Repeat,
        rule: impl Fn(&mut Rows) -> Result<T, Missing>,
        saving: impl Fn(&T, &Rows, &Rows) -> Result<Saving, StoreError>,
    ) -> Result<(T, Rows), Failure> {
        let mut turn = Turn::default();
        let done = self.contend(keys, repeat, rule, saving, &mut turn).await;
        // What has been done is done, whether others hear at once that they need not wait any more.
        let _ = turn.end(&self.link, &self.names).await;
        done
    }

    async fn contend<T>(
        &self,
        mut keys: Vec<Key>,
        repeat: Repeat,
        rule: impl Fn(&mut Rows) -> Result<T, Missing>,
        saving: impl Fn(&T, &Rows, &Rows) -> Result<Saving, StoreError>,
        turn: &mut Turn,
    ) -> Result<(T, Rows), Failure> {
        let mut looks = Looks::Late;
        for tries in 0..TRIES_MAX {
            let Some((answer, rows, mut read)) = self.run(keys.clone(), looks, &rule, turn).await? else { continue };
            let Saving { commit, push, days } = saving(&answer, &read.rows, &rows)?;
            let payload = save::payload(&self.names, &read, &commit, push, days);
            // What was read in one go is of one instant: with nothing to write there is nothing to compare.
            if payload.is_empty() && read.goes <= 1 {
                return Ok((answer, rows));
            }
            match self.commit(&payload, repeat).await? {
                Committed::Done => return Ok((answer, rows)),
                Committed::Conflict => turn.lose(&self.link, &self.names, std::mem::take(&mut read.versions)).await?,
                Committed::Begun => looks = Looks::First,
                Committed::Stale => {
                    self.identify(Fence::Lost).await?;
                }
            }
            keys = read.keys;
            let most = PAUSE * (1 << tries.min(PAUSE_DOUBLINGS_MAX));
            tokio::time::sleep(most.mul_f64(rand::random::<f64>())).await;
        }
        Err(Failure::away("committing", &self.link.place(), "others were always faster"))
    }

    /// Runs a rule until no row is missing; `None` where the store changed under it, or it waited for another's turn.
    async fn run<T>(
        &self,
        keys: Vec<Key>,
        looks: Looks,
        rule: &impl Fn(&mut Rows) -> Result<T, Missing>,
        turn: &mut Turn,
    ) -> Result<Option<(T, Rows, Box<Read>)>, Failure> {
        let mut read = None;
        let mut next = keys;
        for runs in 0..RULE_RUNS_MAX {
            let loaded = match self.fetch(read.take(), std::mem::take(&mut next), looks).await? {
                Some(loaded) => loaded,
                None => return Ok(None),
            };
            if let Some(other) = turn.note(&loaded) {
                turn::wait(&self.link, &self.names, &other).await?;
                return Ok(None);
            }
            let mut rows = loaded.rows.clone();
            match rule(&mut rows) {
                Ok(answer) => return Ok(Some((answer, rows, loaded))),
                Err(Missing(key)) => next.push(widened(key, runs)),
            }
            read = Some(loaded);
        }
        let cause = format!("it asked for more than {RULE_RUNS_MAX} rows");
        Err(StoreError::rejected("running a rule", "the store", cause).into())
    }

    async fn fetch(&self, read: Option<Box<Read>>, keys: Vec<Key>, looks: Looks) -> Result<Option<Box<Read>>, Failure> {
        let (begun, keys): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| matches!(key, Key::Begun(_)));
        let Some(mut read) = self.fetch_rows(read, keys).await? else { return Ok(None) };
        for key in begun {
            let Key::Begun(sought) = &key else { continue };
            let found = match looks {
                Looks::Late if sought.are_entered => Vec::new(),
                _ => begun::read(&self.link, &self.names, sought, &mut read.begun).await?,
            };
            read.rows.load(key.clone(), found.into_iter().map(|(operation, begun)| Row::Begun(operation, begun)));
            read.keys.push(key);
        }
        Ok(Some(read))
    }

    async fn fetch_rows(&self, read: Option<Box<Read>>, keys: Vec<Key>) -> Result<Option<Box<Read>>, Failure> {
        if read.is_some() && keys.is_empty() {
            return Ok(read);
        }
        match fetch(&self.link, &self.names, read, keys).await {
            Ok(Fetched::Rows(read)) => {
                self.is_known.store(true, Ordering::Relaxed);
                Ok(Some(read))
            }
            // Of another fence than the first rows: from the start.
            Ok(Fetched::Not(Fence::Known(_))) => Ok(None),
            Ok(Fetched::Not(fence)) => {
                self.identify(fence).await?;
                Ok(None)
            }
            Err(failure) if failure.lacks_library() => {
                library::load(&self.link, library::LIBRARY).await?;
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn commit(&self, payload: &Payload, repeat: Repeat) -> Result<Committed, Failure> {
        let bytes = payload.pack();
        let meta = self.meta();
        let send = || library::commit(&self.link, &meta, &bytes);
        let first = match send().await {
            Err(failure) if failure.lacks_library() => {
                library::load(&self.link, library::LIBRARY).await?;
                return Ok(Committed::Conflict);
            }
            Err(failure) if failure.is_of_connection() => failure,
            answer => return answer,
        };
        // It may have been done. The same once more says so, as long as nobody has written there since.
        match send().await {
            Err(failure) if failure.lacks_library() => library::load(&self.link, library::LIBRARY).await?,
            Ok(Committed::Done) => return Ok(Committed::Done),
            Ok(_) => {}
            Err(failure) => return Err(failure),
        }
        match repeat {
            Repeat::Harmless => Ok(Committed::Conflict),
            Repeat::Doubtful => Err(first),
        }
    }

    /// Takes note that this process of Redis is another than the one that was known. What it has lost it
    /// may also have lent: then nothing is lent before every sidecar has said what it holds.
    pub async fn identify(&self, fence: Fence) -> Result<(), Failure> {
        let mut ask = redis::pipe();
        let slot = self.names.slot(&Key::Root).expect("it is one row");
        ask.cmd("HGET").arg(&slot.key).arg(&slot.field);
        let found: Option<String> = of_value(self.link.read(&ask).await?.remove(0))?;
        let (version, root) = match &found {
            None => ("", None),
            Some(value) => {
                let (version, json) = after_word(value, "the root's row")?;
                (version, Some(Root::of_json(json, "the root's row")?))
            }
        };
        // An emptied store does not even know that it was one before.
        let forgot = || Root { identity: "forgotten".to_owned(), ..Root::default() };
        let is_lost = fence == Fence::Lost || self.is_known.load(Ordering::Relaxed);
        let root = root.or_else(|| is_lost.then(forgot));
        let identity = format!("{:032x}", rand::random::<u128>());
        let mut rows = Rows::of(Sharing::Many);
        rows.load(Key::Root, root.map(Row::Root));
        let is_other = operate::identify(&mut rows, &identity).expect("the one row it asks for is loaded");
        let mut payload =
            Payload { identity, ledger: self.names.ledger(), channel: self.names.pushes(), ..Payload::default() };
        payload.version = format!("{:016x}", rand::random::<u64>());
        payload.checks.push((slot.clone(), version.to_owned()));
        let root = rows.root().expect("it has been put");
        payload.puts.push((slot, format!("{} {}", payload.version, root.json())));
        let done = library::commit(&self.link, &self.meta(), &payload.pack()).await?;
        if is_other && done == Committed::Done {
            tracing::warn!(
                store = %self.link.place(),
                generation = root.generation,
                "this Redis is another than before and may have forgotten what it lent: \
                 nothing is lent until every sidecar has said what it holds"
            );
        }
        Ok(())
    }

    fn meta(&self) -> String {
        self.names.meta()
    }
}
