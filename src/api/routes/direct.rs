//! What is asked before and after every call of a model, answered before the router: debits, holds and
//! checks, settles and releases.
//!
//! The answers are those of the routes with the same paths, made by the same functions; only the way there
//! is shorter. What is not plainly one of them (another method, an id to decode) goes the router's way.

use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use http::request::Parts;
use http::{Method, Request, Response};

use super::answers::Answer;
use super::asks::{DrawBody, Key};
use super::at_once::{AtOnce, Known};
use super::decisions::{self, Turn};
use super::ended::{ReleasedBody, SettledBody};
use super::ends;
use super::guard::guard;
use crate::api::auth::{ACTOR_HEADER, Caller};
use crate::api::ids::{IDEMPOTENCY_KEY, InPath};
use crate::api::json::Body;
use crate::api::listen::{self, Answering, Decided, Deciding, Plain, RequestBody, Whole};
use crate::api::problem::Problem;
use crate::api::state::App;
use crate::domain::OperationId;
use crate::metrics::Route;

/// The path of every hold begins with this.
const HOLDS: &str = "/v1/holds/";

/// The only headers that are looked at here.
static LOOKED_AT: [HeaderName; 5] = [
    AUTHORIZATION,
    CONTENT_TYPE,
    CONTENT_ENCODING,
    HeaderName::from_static(IDEMPOTENCY_KEY),
    HeaderName::from_static(ACTOR_HEADER),
];

/// Answers without the router.
pub struct Direct {
    app: App,
    /// The counters of what is asked, in the order of [`Asked::ALL`].
    routes: [Route; Asked::ALL.len()],
}

/// What is answered here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Debit,
    Hold,
    Check,
    Settle,
    Release,
}

impl Direct {
    /// Answers with this state, counted and guarded as the router's routes are.
    pub fn new(app: App) -> Self {
        let routes = Asked::ALL.map(|asked| app.service.metrics().route(asked.path()));
        Self { app, routes }
    }
}

impl listen::Direct for Direct {
    fn answer(&self, request: Request<RequestBody>) -> Result<Answering<'static>, Request<RequestBody>> {
        let Some(asked) = Asked::of(request.method(), request.uri().path()) else { return Err(request) };
        let (app, route) = (self.app.clone(), self.routes[asked as usize].clone());
        Ok(Box::pin(async move {
            let (parts, body) = request.into_parts();
            let answer = async {
                let answered = answer(asked, &app, &parts, body).await;
                answered.unwrap_or_else(|problem| problem.answer())
            };
            guard(route, answer).await
        }))
    }

    fn deciding(&self) -> Option<Box<dyn Deciding<'_> + '_>> {
        Some(Box::new(Conversation { direct: self, known: Known::default() }))
    }

    fn plain_headers(&self) -> Option<&'static [HeaderName]> {
        Some(&LOOKED_AT)
    }
}

/// The plain requests of one connection.
struct Conversation<'a> {
    direct: &'a Direct,
    known: Known,
}

impl<'a> Deciding<'a> for Conversation<'a> {
    fn decide(&mut self, request: &Plain<'_>) -> Option<Decided<'a>> {
        let asked = Asked::of(&Method::POST, request.target)?;
        let asks = match asked {
            Asked::Debit => DrawBody::debit,
            Asked::Hold => DrawBody::hold,
            Asked::Check | Asked::Settle | Asked::Release => return None,
        };
        let Direct { app, routes } = self.direct;
        AtOnce { app, route: &routes[asked as usize] }.decide(asks, request, &mut self.known)
    }
}

/// The handlers of the router, with their arguments in the same order: so a request with several faults is told
/// the same one.
async fn answer(asked: Asked, app: &App, parts: &Parts, body: RequestBody) -> Result<Response<Whole>, Problem> {
    let caller = Caller::of(&parts.headers, app)?;
    let turn = Turn::alone(app, &caller);
    match asked {
        Asked::Debit | Asked::Hold | Asked::Check => {
            let key = Key::of(&parts.headers)?;
            let body = Body::<false>::needed(&parts.headers, body, app.bodies).await?;
            let decision = match asked {
                Asked::Debit => decisions::debit(turn, key, &body).await?,
                Asked::Hold => decisions::hold(turn, key, &body).await?,
                _ => decisions::check(turn, key, &body).await?,
            };
            Ok(decision.answer())
        }
        Asked::Settle | Asked::Release => {
            let InPath(id) = InPath::<OperationId>::of("id", hold_of(parts.uri.path()))?;
            let body = Body::<false>::needed(&parts.headers, body, app.bodies).await?;
            Ok(match asked {
                Asked::Settle => Answer(SettledBody::from(ends::settle(turn, &id, body.read()?).await?)).answer(),
                _ => Answer(ReleasedBody::from(ends::release(turn, &id, body.read()?).await?)).answer(),
            })
        }
    }
}

impl Asked {
    /// In the order in which they are declared.
    const ALL: [Self; 5] = [Self::Debit, Self::Hold, Self::Check, Self::Settle, Self::Release];

    fn of(method: &Method, path: &str) -> Option<Self> {
        if method != Method::POST {
            return None;
        }
        match path {
            "/v1/debits" => return Some(Self::Debit),
            "/v1/holds" => return Some(Self::Hold),
            "/v1/checks" => return Some(Self::Check),
            _ => {}
        }
        let (id, end) = path.strip_prefix(HOLDS)?.split_once('/')?;
        match end {
            _ if id.is_empty() || id.contains('%') => None,
            "settle" => Some(Self::Settle),
            "release" => Some(Self::Release),
            _ => None,
        }
    }

    /// The path of its route, for the metrics.
    fn path(self) -> &'static str {
        match self {
            Self::Debit => "/v1/debits",
            Self::Hold => "/v1/holds",
            Self::Check => "/v1/checks",
            Self::Settle => "/v1/holds/{id}/settle",
            Self::Release => "/v1/holds/{id}/release",
        }
    }
}

/// The id in the path of a hold's end.
fn hold_of(path: &str) -> &str {
    let id = path.strip_prefix(HOLDS).and_then(|rest| rest.split('/').next());
    id.expect("a path is a hold's before its id is asked for")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_plainly_such_a_request_is_answered_here() {
        for (method, path, asked) in [
            (Method::POST, "/v1/debits", Some(Asked::Debit)),
            (Method::POST, "/v1/holds", Some(Asked::Hold)),
            (Method::POST, "/v1/checks", Some(Asked::Check)),
            (Method::POST, "/v1/holds/a/settle", Some(Asked::Settle)),
            (Method::POST, "/v1/holds/a/release", Some(Asked::Release)),
            (Method::GET, "/v1/debits", None),
            (Method::POST, "/v1/debits/", None),
            (Method::POST, "/v1/debits/a/refund", None),
            (Method::POST, "/v1/holds/a/extend", None),
            (Method::POST, "/v1/holds//settle", None),
            (Method::POST, "/v1/holds/a%20b/settle", None),
            (Method::POST, "/v1/holds/a/settle/", None),
            (Method::POST, "/v1/holds/a/b/settle", None),
        ] {
            assert_eq!(Asked::of(&method, path), asked, "{method} {path}");
        }
        assert!(Asked::ALL.iter().enumerate().all(|(at, asked)| *asked as usize == at));
        assert_eq!(hold_of("/v1/holds/a/settle"), "a");
    }
}
