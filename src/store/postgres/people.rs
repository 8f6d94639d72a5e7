//! Teams and members: rows, pages, and how they are saved.

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Postgres};

use super::failure::Failure;
use super::member_funds::Person;
use super::table::Holds::{Flag, Int, Json, Text};
use super::table::Table;
use super::values::{Reader, kept};
use crate::domain::ids::Model;
use crate::domain::{Credits, IdError, Member, SubscriptionId, Team, TeamId, UserId, Whitelist};
use crate::store::packed::{Packed, Wrong};

const TEAMS: Table = Table {
    name: "teams",
    columns: &[
        ("id", Text),
        ("name", Text),
        ("owner", Text),
        ("subscription", Text),
        ("whitelist_enabled", Flag),
        ("whitelist_models", Json),
        ("seats_taken", Int),
        ("members", Int),
        ("epoch", Int),
        ("changed_by", Int),
    ],
    key: 1,
};

const MEMBERS: Table = Table {
    name: "members",
    columns: &[
        ("team", Text),
        ("member", Text),
        ("role", Text),
        ("access", Text),
        ("opted_out", Flag),
        ("draw_limit", Int),
        ("removed", Flag),
        ("epoch", Int),
        ("changed_by", Int),
    ],
    key: 2,
};

fn read_team(row: &PgRow) -> Result<Team, Failure> {
    let mut row = Reader::new(row);
    Ok(Team {
        id: row.id(TeamId::new)?,
        name: row.any_text()?,
        owner: row.id(UserId::new)?,
        subscription: row.maybe(|row| row.id(SubscriptionId::new))?,
        whitelist: Whitelist { enabled: row.flag()?, models: models(row.json()?)? },
        seats_taken: row.count()?,
        members: row.count()?,
        epoch: row.count()?,
    })
}

fn models<T: FromIterator<Model>>(names: Vec<String>) -> Result<T, Failure> {
    let wrong =
        |error: IdError| Failure::Value { column: "whitelist_models".to_owned(), cause: format!("a model {error}") };
    names.iter().map(|name| Model::new(name).map_err(wrong)).collect()
}

fn read_member(row: &PgRow) -> Result<(TeamId, Member), Failure> {
    let mut row = Reader::new(row);
    let team = row.id(TeamId::new)?;
    let member = Member {
        user: row.id(UserId::new)?,
        role: row.word()?,
        access: row.word()?,
        opted_out: row.flag()?,
        limit: row.maybe(Reader::credits)?,
        removed: row.flag()?,
        epoch: row.count()?,
    };
    Ok((team, member))
}

/// One team.
pub async fn team(conn: &mut PgConnection, id: &TeamId) -> Result<Option<Team>, Failure> {
    let sql = format!("SELECT {} FROM teams WHERE id = $1", TEAMS.list());
    let row = sqlx::query(AssertSqlSafe(sql)).bind(id.as_str()).fetch_optional(conn).await?;
    row.as_ref().map(read_team).transpose()
}

/// One member, or all members of a team, removed or not.
pub async fn team_members(
    conn: &mut PgConnection,
    team: &TeamId,
    user: Option<&UserId>,
) -> Result<Vec<(TeamId, Member)>, Failure> {
    let one = if user.is_some() { " AND member = $2" } else { "" };
    let sql = format!("SELECT {} FROM members WHERE team = $1{one} ORDER BY member", MEMBERS.list());
    let mut query = sqlx::query::<Postgres>(AssertSqlSafe(sql)).bind(team.as_str());
    if let Some(user) = user {
        query = query.bind(user.as_str());
    }
    query.fetch_all(conn).await?.iter().map(read_member).collect()
}

/// A page of members that have not been removed.
pub async fn member_page(
    conn: &mut PgConnection,
    team: &TeamId,
    after: Option<&UserId>,
    limit: usize,
) -> Result<Vec<Member>, Failure> {
    let sql = format!(
        "SELECT {} FROM members WHERE team = $1 AND member > $2 AND NOT removed ORDER BY member LIMIT $3",
        MEMBERS.list()
    );
    let query = sqlx::query(AssertSqlSafe(sql)).bind(team.as_str()).bind(after.map_or("", UserId::as_str));
    let rows = query.bind(limit as i64).fetch_all(conn).await?;
    rows.iter().map(|row| read_member(row).map(|(_, member)| member)).collect()
}

/// All members of the teams after one, up to another, a row for each team; see [`read_packed`].
pub async fn packed_members(conn: &mut PgConnection, (after, last): (&str, &str)) -> Result<Vec<PgRow>, Failure> {
    // The order of teams and members is the primary key's, so nothing is sorted.
    let sql = "SELECT team, string_agg(member, ' '), string_agg(role, ' '), string_agg(access, ' '), \
               string_agg(CASE WHEN opted_out THEN '1' ELSE '0' END, ''), \
               string_agg(coalesce(draw_limit::text, '-'), ' '), \
               string_agg(CASE WHEN removed THEN '1' ELSE '0' END, ''), string_agg(epoch::text, ' ') \
               FROM (SELECT * FROM members WHERE team > $1 AND team <= $2 ORDER BY team, member) AS sorted \
               GROUP BY team ORDER BY team";
    Ok(sqlx::query(sql).bind(after).bind(last).fetch_all(conn).await?)
}

/// A team's members from a row of [`packed_members`].
pub fn read_packed(row: &PgRow) -> Result<(TeamId, Vec<Member>), Failure> {
    let mut row = Reader::new(row);
    let team = row.id(TeamId::new)?;
    let packed = Packed {
        users: row.text()?,
        roles: row.text()?,
        accesses: row.text()?,
        opted_out: row.text()?,
        limits: row.text()?,
        removed: row.text()?,
        epochs: row.text()?,
    };
    let of_team = |Wrong { column, cause }| {
        let cause = format!("{cause}, of a member of team {team}");
        Failure::Value { column: column.to_owned(), cause }
    };
    let members = packed.members("member").map_err(of_team)?;
    Ok((team, members))
}

/// A page of teams, all or those of a user.
pub async fn team_page(
    conn: &mut PgConnection,
    of: Option<&UserId>,
    after: Option<&TeamId>,
    limit: usize,
) -> Result<Vec<Team>, Failure> {
    let mine = match of {
        Some(_) => " AND id IN (SELECT team FROM members WHERE member = $3 AND NOT removed)",
        None => "",
    };
    let sql = format!("SELECT {} FROM teams WHERE id > $1{mine} ORDER BY id LIMIT $2", TEAMS.list());
    let mut query = sqlx::query::<Postgres>(AssertSqlSafe(sql)).bind(after.map_or("", TeamId::as_str));
    query = query.bind(limit as i64);
    if let Some(user) = of {
        query = query.bind(user.as_str());
    }
    query.fetch_all(conn).await?.iter().map(read_team).collect()
}

/// These members of these teams.
pub async fn by_people(conn: &mut PgConnection, people: &[&Person]) -> Result<Vec<(TeamId, Member)>, Failure> {
    let teams: Vec<_> = people.iter().map(|(team, _)| team.as_str()).collect();
    let members: Vec<_> = people.iter().map(|(_, member)| member.as_str()).collect();
    let named = "SELECT * FROM unnest($1::text[], $2::text[])";
    let sql = format!("SELECT {} FROM members WHERE (team, member) IN ({named})", MEMBERS.list());
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(teams).bind(members).fetch_all(conn).await?;
    rows.iter().map(read_member).collect()
}

/// Teams that control has changed after one change, up to another.
pub async fn teams_changed(conn: &mut PgConnection, (since, upto): (i64, i64)) -> Result<Vec<Team>, Failure> {
    let sql = format!("SELECT {} FROM teams WHERE changed_by > $1 AND changed_by <= $2", TEAMS.list());
    sqlx::query(AssertSqlSafe(sql)).bind(since).bind(upto).fetch_all(conn).await?.iter().map(read_team).collect()
}

/// Members that control has changed after one change, up to another.
pub async fn members_changed(
    conn: &mut PgConnection,
    (since, upto): (i64, i64),
) -> Result<Vec<(TeamId, Member)>, Failure> {
    let sql = format!("SELECT {} FROM members WHERE changed_by > $1 AND changed_by <= $2", MEMBERS.list());
    sqlx::query(AssertSqlSafe(sql)).bind(since).bind(upto).fetch_all(conn).await?.iter().map(read_member).collect()
}

/// Writes teams, then members, as of the change of control `changed_by`.
pub async fn save(
    conn: &mut PgConnection,
    teams: &[&Team],
    members: &[(&TeamId, &Member)],
    changed_by: u64,
) -> Result<(), Failure> {
    save_teams(conn, teams, changed_by).await?;
    save_members(conn, members, changed_by).await
}

async fn save_teams(conn: &mut PgConnection, rows: &[&Team], changed_by: u64) -> Result<(), Failure> {
    let models = |row: &Team| {
        let names: Vec<_> = row.whitelist.models.iter().map(Model::as_str).collect();
        serde_json::to_string(&names).expect("texts are JSON")
    };
    let save = TEAMS.save(conn, rows, |arrays| {
        arrays.put(rows, |row| row.id.as_str()).put(rows, |row| kept(&row.name));
        arrays.put(rows, |row| row.owner.as_str());
        arrays.put(rows, |row| row.subscription.as_ref().map(SubscriptionId::as_str));
        arrays.put(rows, |row| row.whitelist.enabled).put(rows, |row| models(row));
        arrays.put(rows, |row| i64::from(row.seats_taken)).put(rows, |row| i64::from(row.members));
        arrays.put_count(rows, |row| row.epoch).put_count(rows, |_| changed_by);
    });
    save.await
}

async fn save_members(conn: &mut PgConnection, rows: &[(&TeamId, &Member)], changed_by: u64) -> Result<(), Failure> {
    let save = MEMBERS.save(conn, rows, |arrays| {
        arrays.put(rows, |(team, _)| team.as_str()).put(rows, |(_, row)| row.user.as_str());
        arrays.put(rows, |(_, row)| row.role.as_str()).put(rows, |(_, row)| row.access.as_str());
        arrays.put(rows, |(_, row)| row.opted_out).put(rows, |(_, row)| row.limit.map(Credits::micros));
        arrays.put(rows, |(_, row)| row.removed).put_count(rows, |(_, row)| row.epoch);
        arrays.put_count(rows, |_| changed_by);
    });
    save.await
}
