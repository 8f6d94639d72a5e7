//! Each row as the JSON text that Redis keeps of it, after the version of the commit that wrote it.
//! Zeros are left out: most parts of a holder are.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::failure::Failure;
use super::text;
use crate::domain::ids::Model;
use crate::domain::{
    Access, Credits, Drawer, Features, Member, OperationId, Payer, RateVersion, Role, SubscriptionId, Team, TeamId,
    Timestamp, UserId, Whitelist, Window,
};
use crate::root::rows::Purchase;
use crate::root::sidecar::State;
use crate::root::{
    Account, Burn, Grant, GrantKind, Holder, MemberAccount, MemberFunds, Rollover, Root, Sidecar, Status, Subscription,
    Terms,
};
use crate::store::Hold;

/// Whether a value is what it is when nothing is said.
pub(super) fn is_none_said<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A list of values of which serde knows another name.
macro_rules! list {
    ($module:ident, $type:ty, $definition:literal) => {
        mod $module {
            use super::*;

            #[derive(Serialize)]
            struct Out<'a>(#[serde(with = $definition)] &'a $type);

            #[derive(Deserialize)]
            struct In(#[serde(with = $definition)] $type);

            pub fn serialize<S: Serializer>(values: &[$type], to: S) -> Result<S::Ok, S::Error> {
                to.collect_seq(values.iter().map(Out))
            }

            pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<$type>, D::Error> {
                Ok(Vec::<In>::deserialize(from)?.into_iter().map(|In(value)| value).collect())
            }
        }
    };
}
list!(holders, Holder, "HolderRow");
list!(burns, Burn, "BurnRow");
list!(grants, Grant, "GrantRow");
list!(accounts, Account, "AccountRow");
list!(member_accounts, MemberAccount, "MemberAccountRow");

#[derive(Serialize, Deserialize)]
#[serde(remote = "Window")]
struct WindowRow {
    #[serde(with = "text::time")]
    start: Timestamp,
    #[serde(with = "text::time")]
    end: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Holder")]
struct HolderRow {
    #[serde(with = "text")]
    sidecar: u128,
    #[serde(with = "text", default, skip_serializing_if = "is_none_said")]
    granted: Credits,
    #[serde(with = "text", default, skip_serializing_if = "is_none_said")]
    spent: Credits,
    #[serde(with = "text", default, skip_serializing_if = "is_none_said")]
    refunded: Credits,
    #[serde(with = "text", default, skip_serializing_if = "is_none_said")]
    returned: Credits,
    #[serde(with = "text", default, skip_serializing_if = "is_none_said")]
    lost: Credits,
    #[serde(with = "text", default, skip_serializing_if = "is_none_said")]
    forgiven: Credits,
    #[serde(with = "text", default, skip_serializing_if = "is_none_said")]
    owed: Credits,
    #[serde(with = "text", default, skip_serializing_if = "is_none_said")]
    held: Credits,
    #[serde(with = "text::time", default, skip_serializing_if = "is_none_said")]
    until: Timestamp,
    #[serde(with = "text::time", default, skip_serializing_if = "is_none_said")]
    asked_at: Timestamp,
    #[serde(with = "text", default, skip_serializing_if = "is_none_said")]
    step: Credits,
    #[serde(with = "text", default, skip_serializing_if = "is_none_said")]
    borrowed: Credits,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Burn")]
struct BurnRow {
    grant: u64,
    #[serde(with = "text")]
    credits: Credits,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Grant")]
struct GrantRow {
    number: u64,
    #[serde(with = "text")]
    kind: GrantKind,
    #[serde(default, skip_serializing_if = "is_none_said")]
    purchase: String,
    #[serde(with = "text::time")]
    origin: Timestamp,
    #[serde(with = "text")]
    credits: Credits,
    #[serde(with = "text")]
    burned: Credits,
    #[serde(with = "text")]
    opened: Credits,
    #[serde(with = "text::maybe_time", default, skip_serializing_if = "is_none_said")]
    expires_at: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Account")]
struct AccountRow {
    #[serde(with = "WindowRow")]
    window: Window,
    #[serde(with = "holders", default, skip_serializing_if = "is_none_said")]
    holders: Vec<Holder>,
    #[serde(with = "text::time", default, skip_serializing_if = "is_none_said")]
    short_at: Timestamp,
    #[serde(with = "burns", default, skip_serializing_if = "is_none_said")]
    burns: Vec<Burn>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Rollover")]
struct RolloverRow {
    #[serde(with = "text::maybe", default, skip_serializing_if = "is_none_said")]
    cap: Option<Credits>,
    windows: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Features")]
struct FeaturesRow {
    private_workflows: bool,
    save_history: bool,
    model_whitelist: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Terms")]
struct TermsRow {
    #[serde(with = "text")]
    owner: UserId,
    plan: String,
    #[serde(with = "text")]
    status: Status,
    seats: u32,
    #[serde(with = "text")]
    credits_per_seat: Credits,
    #[serde(with = "text::time")]
    anchor: Timestamp,
    #[serde(with = "RolloverRow")]
    rollover: Rollover,
    #[serde(with = "FeaturesRow")]
    features: Features,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Subscription")]
struct SubscriptionRow {
    #[serde(with = "text")]
    id: SubscriptionId,
    #[serde(with = "TermsRow")]
    terms: Terms,
    #[serde(with = "text::maybe", default, skip_serializing_if = "is_none_said")]
    team: Option<TeamId>,
    #[serde(with = "grants")]
    grants: Vec<Grant>,
    #[serde(with = "accounts")]
    accounts: Vec<Account>,
    next_grant: u64,
    epoch: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Whitelist")]
struct WhitelistRow {
    enabled: bool,
    #[serde(with = "text::set")]
    models: std::collections::BTreeSet<Model>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Team")]
struct TeamRow {
    #[serde(with = "text")]
    id: TeamId,
    name: String,
    #[serde(with = "text")]
    owner: UserId,
    #[serde(with = "text::maybe", default, skip_serializing_if = "is_none_said")]
    subscription: Option<SubscriptionId>,
    #[serde(with = "WhitelistRow")]
    whitelist: Whitelist,
    seats_taken: u32,
    members: u32,
    epoch: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Member")]
struct MemberRow {
    #[serde(with = "text")]
    user: UserId,
    #[serde(with = "text")]
    role: Role,
    #[serde(with = "text")]
    access: Access,
    #[serde(default, skip_serializing_if = "is_none_said")]
    opted_out: bool,
    #[serde(with = "text::maybe", default, skip_serializing_if = "is_none_said")]
    limit: Option<Credits>,
    #[serde(default, skip_serializing_if = "is_none_said")]
    removed: bool,
    epoch: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Purchase")]
struct PurchaseRow {
    #[serde(with = "text")]
    subscription: SubscriptionId,
    #[serde(with = "text")]
    id: OperationId,
    #[serde(with = "text")]
    credits: Credits,
    #[serde(with = "text::maybe_time", default, skip_serializing_if = "is_none_said")]
    expires_at: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Sidecar")]
struct SidecarRow {
    #[serde(with = "text")]
    id: u128,
    incarnation: u64,
    #[serde(with = "text")]
    nonce: u128,
    #[serde(with = "text")]
    before: u128,
    last: u64,
    #[serde(default, skip_serializing_if = "is_none_said")]
    host: String,
    #[serde(with = "text")]
    state: State,
    generation: u64,
    beat: u64,
    config: u64,
    #[serde(with = "text::time")]
    synced_at: Timestamp,
    #[serde(default, skip_serializing_if = "is_none_said")]
    unknown: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Root")]
struct RootRow {
    generation: u64,
    identity: String,
    evidence: bool,
    #[serde(with = "text::time", default, skip_serializing_if = "is_none_said")]
    hears_until: Timestamp,
    #[serde(default, skip_serializing_if = "is_none_said")]
    put: u64,
    config: u64,
    limited: u64,
    #[serde(with = "text", default)]
    lender: u128,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "MemberAccount")]
struct MemberAccountRow {
    #[serde(with = "WindowRow")]
    window: Window,
    #[serde(with = "holders", default, skip_serializing_if = "is_none_said")]
    holders: Vec<Holder>,
    #[serde(with = "text::time", default, skip_serializing_if = "is_none_said")]
    short_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "MemberFunds")]
struct MemberFundsRow {
    #[serde(with = "text")]
    team: TeamId,
    #[serde(with = "text")]
    user: UserId,
    limited_since: u64,
    #[serde(with = "member_accounts")]
    accounts: Vec<MemberAccount>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Drawer")]
struct DrawerRow {
    #[serde(with = "text::maybe", default, skip_serializing_if = "is_none_said")]
    team: Option<TeamId>,
    #[serde(with = "text")]
    member: UserId,
    #[serde(with = "text")]
    payer: Payer,
    #[serde(with = "text")]
    subscription: SubscriptionId,
}

/// A hold; when it expires stands before the text, where it can be replaced.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Hold")]
struct HoldRow {
    #[serde(with = "text")]
    sidecar: u128,
    #[serde(with = "text")]
    id: OperationId,
    #[serde(with = "DrawerRow")]
    drawer: Drawer,
    #[serde(with = "text::time")]
    window: Timestamp,
    #[serde(with = "text")]
    credits: Credits,
    #[serde(skip)]
    expires_at: Timestamp,
    #[serde(with = "text::maybe", default, skip_serializing_if = "is_none_said")]
    model: Option<Model>,
    #[serde(with = "text::maybe", default, skip_serializing_if = "is_none_said")]
    rates: Option<RateVersion>,
    content: u64,
    #[serde(with = "text::time")]
    held_at: Timestamp,
}

/// A row that is kept as JSON.
pub trait Json: Sized {
    /// The text.
    fn json(&self) -> String;
    /// Reads it back; `place` names where it was.
    fn of_json(text: &str, place: &str) -> Result<Self, Failure>;
}

macro_rules! json {
    ($($type:ty: $definition:literal),*) => {
        $(impl Json for $type {
            fn json(&self) -> String {
                #[derive(Serialize)]
                struct Out<'a>(#[serde(with = $definition)] &'a $type);
                serde_json::to_string(&Out(self)).expect("texts, numbers and lists of them are JSON")
            }

            fn of_json(text: &str, place: &str) -> Result<Self, Failure> {
                #[derive(Deserialize)]
                struct In(#[serde(with = $definition)] $type);
                let read = serde_json::from_str(text).map(|In(value)| value);
                read.map_err(|error| Failure::value(place, error.to_string()))
            }
        })*
    };
}

json!(
    Root: "RootRow", Sidecar: "SidecarRow", Subscription: "SubscriptionRow", Purchase: "PurchaseRow",
    Team: "TeamRow", Member: "MemberRow", MemberFunds: "MemberFundsRow", Hold: "HoldRow"
);

/// A value that follows a word: the version of a row, or the expiry of a hold.
pub fn after_word<'a>(value: &'a str, place: &str) -> Result<(&'a str, &'a str), Failure> {
    value.split_once(' ').ok_or_else(|| Failure::value(place, "has no word before it"))
}

/// A hold as it is kept.
pub fn hold_value(hold: &Hold) -> String {
    format!("{} {}", hold.expires_at.millis(), hold.json())
}

/// Reads a hold back.
pub fn hold_of(value: &str, place: &str) -> Result<Hold, Failure> {
    let (expires_at, json) = after_word(value, place)?;
    let expires_at = <Timestamp as text::Text>::of_text(expires_at);
    let expires_at = expires_at.ok_or_else(|| Failure::value(place, "does not say when it expires"))?;
    Ok(Hold { expires_at, ..Hold::of_json(json, place)? })
}
