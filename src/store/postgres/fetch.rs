//! Finds the rows that a rule asks for. Their guards have been taken before, so that they stay as they
//! are read.

use sqlx::postgres::PgConnection;

use super::failure::Failure;
use super::values::Reader;
use super::{holds, member_funds, pending, people, purchases, sidecars, subscriptions};
use crate::domain::{SubscriptionId, UserId};
use crate::root::{Key, Row};

/// The rows under a key: none, one, or all members of a team.
pub async fn fetch(conn: &mut PgConnection, key: &Key) -> Result<Vec<Row>, Failure> {
    let member = |(team, member)| Row::Member(team, member);
    Ok(match key {
        Key::Sidecar(id) => sidecars::sidecar(conn, *id).await?.map(Row::Sidecar).into_iter().collect(),
        Key::Sidecars => sidecars::all(conn).await?.into_iter().map(Row::Sidecar).collect(),
        Key::Root => sidecars::root(conn).await?.map(Row::Root).into_iter().collect(),
        Key::MemberFunds(team, user) => {
            let found = member_funds::by_people(conn, &[&(team.clone(), user.clone())]).await?;
            found.into_iter().map(|row| Row::MemberFunds(Box::new(row))).collect()
        }
        Key::Subscription(id) => {
            let found = subscriptions::by_ids(conn, std::slice::from_ref(id)).await?;
            found.into_iter().map(|row| Row::Subscription(Box::new(row))).collect()
        }
        Key::Begun(sought) => {
            let row = |(operation, begun)| Row::Begun(operation, begun);
            pending::begun(conn, sought).await?.into_iter().map(row).collect()
        }
        Key::Hold(sidecar, operation) => {
            let found = holds::one(conn, *sidecar, operation).await?;
            found.map(|hold| Row::Hold(Box::new(hold.abandoned()))).into_iter().collect()
        }
        Key::Pending(owner) => {
            let found = pending::of(conn, *owner).await?;
            found.into_iter().map(|row| Row::Pending(Box::new(row))).collect()
        }
        Key::Owned(user) => owned(conn, user).await?.map(|id| Row::Owned(user.clone(), id)).into_iter().collect(),
        Key::Purchase(subscription, id) => {
            purchases::purchase(conn, subscription, id).await?.map(Row::Purchase).into_iter().collect()
        }
        Key::Team(id) => people::team(conn, id).await?.map(Row::Team).into_iter().collect(),
        Key::Member(team, user) => {
            people::team_members(conn, team, Some(user)).await?.into_iter().map(member).collect()
        }
        Key::Members(team) => people::team_members(conn, team, None).await?.into_iter().map(member).collect(),
    })
}

async fn owned(conn: &mut PgConnection, user: &UserId) -> Result<Option<SubscriptionId>, Failure> {
    let query = sqlx::query("SELECT id FROM subscriptions WHERE owner = $1").bind(user.as_str());
    let row = query.fetch_optional(conn).await?;
    row.map(|row| Reader::new(&row).id(SubscriptionId::new)).transpose()
}
