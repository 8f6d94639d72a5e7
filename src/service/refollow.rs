//! After a change of control that may or may not have been saved: reads what it named back from the
//! store, until that is there again, so that the engine never lags behind what was committed.

use std::time::Duration;

use super::JournalMeter;
use crate::domain::{SubscriptionId, TeamId, Timestamp};
use crate::root::{Actor, Command, Done, Missing, Outcome, Row, Rows};
use crate::store::{Store, StoreError};

/// The pause between two tries while the store is away.
const PAUSE: Duration = Duration::from_millis(500);

/// Follows everything that `command` may have changed. Returns only once the store has answered.
pub(super) async fn refollow(meter: &JournalMeter, store: &dyn Store, command: &Command, now: Timestamp) {
    while let Err(error) = follow(meter, store, command, now).await {
        tracing::warn!(%error, "a change of control may have been saved; the store is asked again");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn follow(meter: &JournalMeter, store: &dyn Store, command: &Command, now: Timestamp) -> Result<(), StoreError> {
    let (team, subscription) = named(command);
    // The pool that the engine knows may be the team's no longer.
    let pool = team.and_then(|team| meter.pool_of(team));
    let subscriptions: Vec<SubscriptionId> = subscription.cloned().into_iter().chain(pool).collect();
    let rule = |rows: &mut Rows| put_back(rows, team, &subscriptions).map(Ok);
    let read = store.control(&rule, &Actor::Service("purser".into()), now).await?;
    meter.follow(&read.rows);
    Ok(())
}

/// A rule that changes nothing: it saves the rows as they are, so that the store answers them.
fn put_back(rows: &mut Rows, team: Option<&TeamId>, subscriptions: &[SubscriptionId]) -> Result<Done, Missing> {
    let (mut found, mut subscriptions) = (Vec::new(), subscriptions.to_vec());
    if let Some(id) = team
        && let Some(team) = rows.team(id)?.cloned()
    {
        subscriptions.extend(team.subscription.clone());
        found.push(Row::Team(team));
        found.extend(rows.members(id)?.into_iter().map(|member| Row::Member(id.clone(), member.clone())));
    }
    for id in &subscriptions {
        found.extend(rows.subscription(id)?.map(|row| Row::Subscription(Box::new(row.clone()))));
    }
    found.into_iter().for_each(|row| rows.put(row));
    Ok(Done { outcome: Outcome::Changed, changes: Vec::new() })
}

/// The team and the subscription that a command names.
fn named(command: &Command) -> (Option<&TeamId>, Option<&SubscriptionId>) {
    match command {
        Command::PutSubscription { id, .. } => (None, Some(id)),
        Command::Purchase { subscription, .. } => (None, Some(subscription)),
        Command::PutTeam { id, .. } => (Some(id), None),
        Command::Assign { team, subscription } => (Some(team), Some(subscription)),
        Command::Unassign { team }
        | Command::PutMember { team, .. }
        | Command::PatchMember { team, .. }
        | Command::RemoveMember { team, .. }
        | Command::BulkMembers { team, .. }
        | Command::PutWhitelist { team, .. } => (Some(team), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Role, UserId};
    use crate::engine::balance::Standing;
    use crate::engine::{JournalLog, Meter, Options};
    use crate::root::control::control;
    use crate::root::{Settings, Status, Terms};
    use crate::store::Memory;

    fn user(name: &str) -> UserId {
        UserId::new(name).expect("a name")
    }

    fn terms() -> Terms {
        Terms {
            owner: user("olga"),
            plan: "team".into(),
            status: Status::Active,
            seats: 2,
            credits_per_seat: crate::domain::Credits::from_credits(100).expect("small"),
            anchor: Timestamp::MIN,
            rollover: Default::default(),
            features: Default::default(),
        }
    }

    /// Saves a change whose answer is lost.
    async fn unheard(store: &Memory, command: &Command) {
        let actor = Actor::Service("test".into());
        let rule = |rows: &mut Rows| control(rows, command, &actor, Timestamp::MIN);
        let controlled = store.control(&rule, &actor, Timestamp::MIN).await.expect("the store is there");
        controlled.answer.expect("the rules allow it");
    }

    #[tokio::test]
    async fn what_was_saved_without_an_answer_is_followed() {
        let (store, meter) = (Memory::default(), Meter::new(JournalLog::default(), Options::default()));
        let (team, subscription) = (TeamId::new("acme").expect("a name"), SubscriptionId::new("s").expect("a name"));
        let add = Command::PutMember { team: team.clone(), user: user("ana"), settings: Settings::default() };
        let commands = [
            Command::PutSubscription { id: subscription.clone(), terms: terms() },
            Command::PutTeam { id: team.clone(), name: None, owner: Some(user("olga")) },
            add.clone(),
        ];
        for command in &commands {
            unheard(&store, command).await;
            refollow(&meter, &store, command, Timestamp::MIN).await;
        }
        assert_eq!(meter.standing(&team, &user("ana")), Standing::Member(Role::Member));
        assert_eq!(meter.pool_of(&team), Some(subscription));

        let remove = Command::RemoveMember { team: team.clone(), user: user("ana") };
        unheard(&store, &remove).await;
        unheard(&store, &Command::Unassign { team: team.clone() }).await;
        refollow(&meter, &store, &remove, Timestamp::MIN).await;
        assert_eq!(meter.standing(&team, &user("ana")), Standing::Stranger);
        assert_eq!((meter.pool_of(&team), meter.wallet_of(&user("olga")).is_some()), (None, true));
    }
}
