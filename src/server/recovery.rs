//! Opens the data folder and the store, and brings the engine to where it was: the store's rows as
//! of the last entry that it has, then the journal's entries after it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::{self, Config, StoreUrl};
use crate::domain::Timestamp;
use crate::engine::meter::Meter;
use crate::engine::recover::Disagreement;
use crate::engine::{JournalLog, Options};
use crate::journal::media::file::FileFolder;
use crate::journal::media::memory::MemoryFolder;
use crate::journal::{self, Claim, ClaimError, Failed, Identity, IdentityError, Seq};
use crate::lease::{Proof, Session};
use crate::metrics::Metrics;
use crate::root::sync::SyncRefusal;
use crate::root::{SOLE, Sharing};
use crate::service::JournalMeter;
use crate::store::{Store, StoreError};

use super::doubt::Doubt;
use super::load::{Restored, load};
use super::replay::{EntryError, Replay};
use super::{millis, stores};

/// Why the data folder or the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder cannot be made or opened.
    #[error("the data folder {0} cannot be used: {1}")]
    Folder(PathBuf, std::io::Error),
    /// Another process has it.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The sidecar's identity cannot be read or written.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store knows a newer incarnation of this sidecar.
    #[error("the store refuses this sidecar: {0}; is a copy of the data folder running?")]
    Refused(SyncRefusal),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] journal::OpenError<EntryError>),
    /// The journal failed right after it was opened.
    #[error(transparent)]
    Failed(#[from] Failed),
    /// The journal and the store do not fit together.
    #[error(transparent)]
    Disagreement(#[from] Disagreement),
    /// The journal begins behind what the store has.
    #[error(
        "the journal begins with entry {first}, the store ends with {last}: it is another store's journal, or the \
         store has lost what lies between (docs/sharing.md says what to do)"
    )]
    OtherStore {
        /// The journal's first entry.
        first: u64,
        /// The store's last entry.
        last: u64,
    },
}

/// The recovered parts.
pub struct Opened {
    /// The engine, over an open journal.
    pub meter: Arc<JournalMeter>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// This sidecar and this run of it.
    pub identity: Identity,
    /// The last entry that the store has.
    pub last: u64,
    /// Times with the last entry then, oldest first.
    pub marks: Vec<(Timestamp, u64)>,
    /// Which store the engine was loaded from, up to which change of control.
    pub session: Session,
    /// Where many share: to be settled, with the last doubted entry, when the root has heard of this run.
    pub doubt: Option<(Doubt, u64)>,
    /// How long it took.
    pub took: Took,
}

/// What a start takes, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    /// Loading the store's rows.
    pub loading: f64,
    /// Replaying the journal.
    pub replaying: f64,
}

/// Opens and recovers. The metrics of loading and replaying are set.
///
/// # Errors
/// See [`OpenError`].
pub async fn open(
    config: &Config,
    clock: &Clock,
    metrics: &Metrics,
    store: Option<Arc<dyn Store>>,
) -> Result<Opened, OpenError> {
    let folder = |error| OpenError::Folder(config.data.clone(), error);
    let claim = match config.store.url {
        // A journal that outlives its store would be another store's.
        StoreUrl::Memory if store.is_none() => Claim::take(Arc::new(MemoryFolder::default()))?,
        _ => {
            std::fs::create_dir_all(&config.data).map_err(folder)?;
            Claim::take(Arc::new(FileFolder::open(&config.data).map_err(folder)?))?
        }
    };
    let identity = Identity::mint(&claim)?;
    let store = match store {
        Some(store) => store,
        None => stores::open(config).await?,
    };
    let sharing = store.sharing();
    let registered = store.register(identity.sidecar.as_u128(), identity.incarnation, identity.nonce).await?;
    let registered = registered.map_err(OpenError::Refused)?;
    let last = registered.last;
    let options = Options {
        retain_millis: millis(config.idempotency.retain),
        entries_max: config.idempotency.entries_max,
        open_holds_max: config.holds.per_team_max as usize,
        sharing,
        ..Options::default()
    };
    let meter = Arc::new(Meter::new(JournalLog::default(), options));
    let sidecar = match sharing {
        Sharing::Sole => SOLE,
        Sharing::Many => identity.sidecar.as_u128(),
    };
    let start = clock.instant();
    let Restored { holds, session } = load(&*store, &meter, sidecar, clock.now()).await?;
    let loading = clock.since(start).as_secs_f64();
    let mut replay = Replay::new(&meter, last, holds);
    let (journal, recovered) = replay.open(claim, options_of(&config.journal), identity.sidecar)?;
    let Replay { marks, newest, .. } = replay;
    let took = Took { loading, replaying: clock.since(start).as_secs_f64() - loading };
    if recovered.records > 0 && recovered.first_seq.0 > last + 1 {
        return Err(OpenError::OtherStore { first: recovered.first_seq.0, last });
    }
    let has_all = journal.next_seq() > Seq(last);
    journal.skip_to(Seq(last))?;
    clock.not_before(newest);
    let mut doubt = None;
    if sharing == Sharing::Many {
        let known = Doubt::read(&config.data, config.journal.durability, identity.nonce).map_err(folder)?;
        // Who has not registered the last run, or lacks entries of it, has not its journal.
        let is_newest = has_all && [identity.before, known.nonce].contains(&registered.before);
        let proof = if is_newest { known.proof } else { Proof::Nothing };
        let through = if proof == Proof::Exact { known.through } else { journal.next_seq().before().0 };
        meter.close_leases(proof, clock.now());
        meter.doubt_through(through);
        doubt = Some((known, through));
    }
    meter.log().open(journal);
    metrics.journal.load_seconds.set(took.loading);
    metrics.journal.replay_seconds.set(took.replaying);
    tracing::info!(seconds = took.loading, store = store.name(), "store read");
    tracing::info!(entries = recovered.records, cut = ?recovered.cut, seconds = took.replaying, "journal read");
    Ok(Opened { meter, store, identity, last, marks, session, doubt, took })
}

fn options_of(journal: &config::Journal) -> journal::Options {
    journal::Options {
        segment_bytes: journal.segment_bytes,
        bytes_max: journal.bytes_max,
        queue_bytes_max: usize::try_from(journal.queue_bytes_max).unwrap_or(usize::MAX),
        sync_interval: journal.sync_interval,
        ..journal::Options::default()
    }
}
