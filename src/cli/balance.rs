//! `purser balance`: what a member, a team's pool or a user still has.

use super::client::{Ask, Client, ClientError, encoded};
use super::tree::Answer;
use super::{BalanceArgs, Format};

pub(super) async fn run(args: &BalanceArgs) -> anyhow::Result<()> {
    let client = Client::of(&args.client)?;
    let answer: Answer = client.read(&Ask::get(path(args)?)).await?;
    answer.print(Format::of(args.client.json))?;
    Ok(())
}

/// Whose balance.
fn path(args: &BalanceArgs) -> Result<String, ClientError> {
    match (&args.team, &args.member) {
        (Some(team), Some(member)) => Ok(format!("/v1/teams/{}/members/{}/balance", encoded(team), encoded(member))),
        (Some(team), None) => Ok(format!("/v1/teams/{}/pool", encoded(team))),
        (None, Some(user)) => Ok(format!("/v1/users/{}/balance", encoded(user))),
        (None, None) => Err(ClientError::Usage("name --team, --member or both".to_owned())),
    }
}
