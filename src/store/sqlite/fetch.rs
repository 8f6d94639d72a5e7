//! Finds the rows that a rule asks for.

use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::failure::Failure;
use super::values::Reader;
use super::{people, subscriptions};
use crate::domain::{OperationId, SubscriptionId, UserId};
use crate::root::rows::Purchase;
use crate::root::{Key, Row, Sidecar};

/// The rows under a key: none, one, or all members of a team.
pub async fn fetch(conn: &mut SqliteConnection, key: &Key) -> Result<Vec<Row>, Failure> {
    Ok(match key {
        Key::Sidecar(_) | Key::Sidecars => sidecar(conn).await?.map(Row::Sidecar).into_iter().collect(),
        Key::Subscription(id) => {
            let found = subscriptions::by_ids(conn, std::slice::from_ref(id)).await?;
            found.into_iter().map(|row| Row::Subscription(Box::new(row))).collect()
        }
        Key::Owned(user) => owned(conn, user).await?.map(|id| Row::Owned(user.clone(), id)).into_iter().collect(),
        Key::Purchase(subscription, id) => {
            purchase(conn, subscription, id).await?.map(Row::Purchase).into_iter().collect()
        }
        Key::Team(id) => people::team(conn, id).await?.map(Row::Team).into_iter().collect(),
        Key::Member(team, user) => {
            let found = people::team_members(conn, team, Some(user)).await?;
            found.into_iter().map(|member| Row::Member(team.clone(), member)).collect()
        }
        Key::Members(team) => {
            let found = people::team_members(conn, team, None).await?;
            found.into_iter().map(|member| Row::Member(team.clone(), member)).collect()
        }
        // Of many sidecars only: a file serves one.
        Key::Root | Key::MemberFunds(..) | Key::Begun(_) | Key::Pending(_) | Key::Hold(..) => Vec::new(),
    })
}

/// The sidecar that holds the leases.
pub async fn sidecar(conn: &mut SqliteConnection) -> Result<Option<Sidecar>, Failure> {
    let row = sqlx::query("SELECT id, incarnation, nonce, last FROM sidecar").fetch_optional(conn).await?;
    let Some(row) = row else { return Ok(None) };
    let mut row = Reader::new(&row);
    let uuid = |text: &str| Uuid::parse_str(text).ok().map(|uuid| uuid.as_u128());
    let (id, incarnation) = (row.word_by(uuid)?, row.count()?);
    Ok(Some(Sidecar { id, incarnation, nonce: row.word_by(uuid)?, last: row.count()?, ..Sidecar::default() }))
}

async fn owned(conn: &mut SqliteConnection, user: &UserId) -> Result<Option<SubscriptionId>, Failure> {
    let query = sqlx::query("SELECT id FROM subscriptions WHERE owner = ?").bind(user.as_str());
    let row = query.fetch_optional(conn).await?;
    row.map(|row| Reader::new(&row).id(SubscriptionId::new)).transpose()
}

async fn purchase(
    conn: &mut SqliteConnection,
    subscription: &SubscriptionId,
    id: &OperationId,
) -> Result<Option<Purchase>, Failure> {
    let query = sqlx::query("SELECT credits, expires_at FROM purchases WHERE subscription = ? AND id = ?");
    let row = query.bind(subscription.as_str()).bind(id.as_str()).fetch_optional(conn).await?;
    let Some(row) = row else { return Ok(None) };
    let mut row = Reader::new(&row);
    let (credits, expires_at) = (row.credits()?, row.maybe(Reader::time)?);
    Ok(Some(Purchase { subscription: subscription.clone(), id: id.clone(), credits, expires_at }))
}
