//! Rows as the words that tables look for.

use purser::domain::{Member, Team, Timestamp};
use purser::root::{Change, GrantKind, Subscription};

/// `owner=ana pool=s1 seats=1 members=2 name=acme whitelist=on:m1,m2`
pub fn team(team: &Team) -> Vec<String> {
    let models: Vec<_> = team.whitelist.models.iter().map(|model| model.as_str()).collect();
    vec![
        format!("owner={}", team.owner),
        format!("pool={}", team.subscription.as_ref().map_or("none", |id| id.as_str())),
        format!("seats={}", team.seats_taken),
        format!("members={}", team.members),
        format!("name={}", team.name),
        format!("whitelist={}:{}", if team.whitelist.is_on() { "on" } else { "off" }, models.join(",")),
    ]
}

/// `role=member access=seat effective=personal limit=none opted_out removed`
pub fn member(member: &Member) -> Vec<String> {
    let mut words = vec![
        format!("role={}", member.role.as_str()),
        format!("access={}", member.access.as_str()),
        format!("effective={}", member.effective_access().as_str()),
        format!("limit={}", member.limit.map_or("none".to_owned(), |limit| limit.to_string())),
    ];
    words.push(if member.opted_out { "opted_out" } else { "opted_in" }.to_owned());
    words.push(if member.removed { "removed" } else { "present" }.to_owned());
    words
}

/// `monthly=200 rollover=0 purchased=0 used=30 held=0 remaining=170 debt=0 window=2026-01-15 team=acme`; `used`
/// and `held` are those of the current window as last reported, `debt` is that of all windows.
pub fn subscription(subscription: &Subscription, now: Timestamp) -> Vec<String> {
    let mut current = subscription.clone();
    current.advance(now);
    let open = current.open_account();
    let total = |kind| current.total(kind, now);
    let (monthly, rollover, purchased) =
        (total(GrantKind::Monthly), total(GrantKind::Rollover), total(GrantKind::Purchased));
    let used = open.spent().minus(open.refunded());
    let total = monthly.plus(rollover).plus(purchased).plus(open.debt());
    let remaining = total.saturating_sub(used.plus(open.held()));
    let debt = current.accounts.iter().fold(purser::domain::Credits::ZERO, |sum, account| sum.plus(account.debt()));
    let day = |at: Timestamp| at.to_string()[..10].to_owned();
    vec![
        format!("monthly={monthly}"),
        format!("rollover={rollover}"),
        format!("purchased={purchased}"),
        format!("used={used}"),
        format!("held={}", open.held()),
        format!("remaining={remaining}"),
        format!("debt={debt}"),
        format!("window={}/{}", day(open.window.start), day(open.window.end)),
        format!("team={}", current.team.as_ref().map_or("none", |team| team.as_str())),
        format!("private={}", current.features().private_workflows),
    ]
}

/// `granted:monthly:200`, `member_put:bo`, or the kind alone.
pub fn change(change: &Change) -> String {
    match change {
        Change::Granted { kind, credits, purchase, .. } if purchase.is_empty() => {
            format!("granted:{}:{credits}", kind.as_str())
        }
        Change::Granted { kind, credits, purchase, .. } => format!("granted:{}:{credits}:{purchase}", kind.as_str()),
        Change::MemberPut { member, .. } => format!("member_put:{}", member.user),
        other => other.kind().to_owned(),
    }
}
