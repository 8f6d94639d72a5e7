//! Teams and members: rows, pages, and how they are saved.

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Sqlite};

use super::failure::Failure;
use super::values::{Bulk, Reader, Values};
use crate::domain::ids::Model;
use crate::domain::{Credits, Member, SubscriptionId, Team, TeamId, UserId, Whitelist};

/// The columns of a team, as [`read_team`] reads them.
pub const TEAM: &str =
    "id, name, owner, subscription, whitelist_enabled, whitelist_models, seats_taken, members, epoch";

/// The columns of a member, as [`read_member`] reads them.
pub const MEMBER: &str = "user, role, access, opted_out, draw_limit, removed, epoch";

/// A team from its columns.
pub fn read_team(row: &SqliteRow) -> Result<Team, Failure> {
    let mut row = Reader::new(row);
    Ok(Team {
        id: row.id(TeamId::new)?,
        name: row.text()?.to_owned(),
        owner: row.id(UserId::new)?,
        subscription: row.maybe(|row| row.id(SubscriptionId::new))?,
        whitelist: Whitelist { enabled: row.flag()?, models: models(row.json()?)? },
        seats_taken: row.count()?,
        members: row.count()?,
        epoch: row.count()?,
    })
}

fn models<T: FromIterator<Model>>(names: Vec<String>) -> Result<T, Failure> {
    let wrong = |error: crate::domain::IdError| Failure::Value {
        column: "whitelist_models".to_owned(),
        cause: format!("a model {error}"),
    };
    names.iter().map(|name| Model::new(name).map_err(wrong)).collect()
}

/// A member from the next columns of a row.
pub fn read_member(row: &mut Reader<'_>) -> Result<Member, Failure> {
    Ok(Member {
        user: row.id(UserId::new)?,
        role: row.word()?,
        access: row.word()?,
        opted_out: row.flag()?,
        limit: row.maybe(Reader::credits)?,
        removed: row.flag()?,
        epoch: row.count()?,
    })
}

/// One team.
pub async fn team(conn: &mut SqliteConnection, id: &TeamId) -> Result<Option<Team>, Failure> {
    let sql = format!("SELECT {TEAM} FROM teams WHERE id = ?");
    let row = sqlx::query(AssertSqlSafe(sql)).bind(id.as_str()).fetch_optional(conn).await?;
    row.as_ref().map(read_team).transpose()
}

/// One member, or all members of a team, removed or not.
pub async fn team_members(
    conn: &mut SqliteConnection,
    team: &TeamId,
    user: Option<&UserId>,
) -> Result<Vec<Member>, Failure> {
    let one = if user.is_some() { " AND user = ?" } else { "" };
    let sql = AssertSqlSafe(format!("SELECT {MEMBER} FROM members WHERE team = ?{one} ORDER BY user"));
    let mut query = sqlx::query::<Sqlite>(sql).bind(team.as_str());
    if let Some(user) = user {
        query = query.bind(user.as_str());
    }
    read_members(&query.fetch_all(conn).await?)
}

/// A page of members that have not been removed.
pub async fn member_page(
    conn: &mut SqliteConnection,
    team: &TeamId,
    after: Option<&UserId>,
    limit: usize,
) -> Result<Vec<Member>, Failure> {
    let sql = format!("SELECT {MEMBER} FROM members WHERE team = ? AND user > ? AND NOT removed ORDER BY user LIMIT ?");
    let query = sqlx::query(AssertSqlSafe(sql)).bind(team.as_str()).bind(after.map_or("", UserId::as_str));
    read_members(&query.bind(limit as i64).fetch_all(conn).await?)
}

fn read_members(rows: &[SqliteRow]) -> Result<Vec<Member>, Failure> {
    rows.iter().map(|row| read_member(&mut Reader::new(row))).collect()
}

/// A page of teams, all or those of a user.
pub async fn team_page(
    conn: &mut SqliteConnection,
    of: Option<&UserId>,
    after: Option<&TeamId>,
    limit: usize,
) -> Result<Vec<Team>, Failure> {
    let mine = match of {
        Some(_) => " AND id IN (SELECT team FROM members WHERE user = ? AND NOT removed)",
        None => "",
    };
    let sql = AssertSqlSafe(format!("SELECT {TEAM} FROM teams WHERE id > ?{mine} ORDER BY id LIMIT ?"));
    let mut query = sqlx::query::<Sqlite>(sql).bind(after.map_or("", TeamId::as_str));
    if let Some(user) = of {
        query = query.bind(user.as_str());
    }
    query.bind(limit as i64).fetch_all(conn).await?.iter().map(read_team).collect()
}

const SAVE_TEAM: Bulk = Bulk {
    head: "INSERT INTO teams (id, name, owner, subscription, whitelist_enabled, whitelist_models, seats_taken, \
           members, epoch) VALUES",
    columns: 9,
    tail: "ON CONFLICT (id) DO UPDATE SET name = excluded.name, owner = excluded.owner, \
           subscription = excluded.subscription, whitelist_enabled = excluded.whitelist_enabled, \
           whitelist_models = excluded.whitelist_models, seats_taken = excluded.seats_taken, \
           members = excluded.members, epoch = excluded.epoch",
};

const SAVE_MEMBER: Bulk = Bulk {
    head: "INSERT INTO members (team, user, role, access, opted_out, draw_limit, removed, epoch) VALUES",
    columns: 8,
    tail: "ON CONFLICT (team, user) DO UPDATE SET role = excluded.role, access = excluded.access, \
           opted_out = excluded.opted_out, draw_limit = excluded.draw_limit, removed = excluded.removed, \
           epoch = excluded.epoch",
};

/// Writes teams, then members.
pub async fn save(conn: &mut SqliteConnection, teams: &[&Team], members: &[(&TeamId, &Member)]) -> Result<(), Failure> {
    SAVE_TEAM.execute(conn, teams, |values, row| bind_team(values, row)).await?;
    SAVE_MEMBER.execute(conn, members, |values, (team, row)| bind_member(values, team, row)).await
}

fn bind_team(values: &mut Values, row: &Team) {
    let models: Vec<_> = row.whitelist.models.iter().map(Model::as_str).collect();
    let models = serde_json::to_string(&models).expect("texts are JSON");
    values.put(row.id.as_str()).put(row.name.as_str()).put(row.owner.as_str());
    values.put(row.subscription.as_ref().map(SubscriptionId::as_str)).put(row.whitelist.enabled).put(models);
    values.put(i64::from(row.seats_taken)).put(i64::from(row.members)).put_count(row.epoch);
}

fn bind_member(values: &mut Values, team: &TeamId, row: &Member) {
    values.put(team.as_str()).put(row.user.as_str()).put(row.role.as_str()).put(row.access.as_str());
    values.put(row.opted_out).put(row.limit.map(Credits::micros)).put(row.removed).put_count(row.epoch);
}
