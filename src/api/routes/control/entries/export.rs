//! The ledger as a stream: pages are read while the caller takes them, never all at once.
//!
//! A stream that cannot go on is broken off, so that the caller's HTTP client reports it: a short
//! answer never looks like a whole one.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use hyper::body::{Body as HttpBody, Frame};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

use super::accept::Format;
use super::csv;
use super::row::EntryRow;
use crate::api::problem::{Code, Problem};
use crate::api::routes::control::query::PAGE_ROWS_MAX;
use crate::api::routes::control::refusal::unable;
use crate::api::state::App;
use crate::service::Unable;
use crate::store::Filter;

/// Exports at once. Each holds up to three pages of some 200 KiB, and they take turns in reading the
/// store, from which control and syncs must not be kept.
const EXPORTS_MAX: usize = 16;

/// Pages that wait for the caller.
const PAGES_AHEAD: usize = 1;

static EXPORTS: Semaphore = Semaphore::const_new(EXPORTS_MAX);

/// One page as NDJSON or CSV.
pub fn page(format: Format, rows: &[EntryRow]) -> Response {
    respond(format, Body::from(write(format, true, rows)))
}

/// All entries of a filter up to the newest one of now, as NDJSON or CSV.
pub async fn stream(app: &App, format: Format, filter: Filter, after: Option<u64>) -> Result<Response, Problem> {
    let Ok(permit) = EXPORTS.try_acquire() else {
        let detail = format!("{EXPORTS_MAX} exports of the ledger are under way; try again when one has ended.");
        return Err(Problem::new(Code::Unavailable, detail));
    };
    // Entries that come in meanwhile are left out, or a busy ledger would never end.
    let newest = Filter { newest_first: true, ..filter.clone() };
    let newest = app.service.entries(&newest, None, 1).await.map_err(|e| unable(&e))?;
    let last = newest.first().map_or(0, |entry| entry.position);
    let (pages, taken) = mpsc::channel(PAGES_AHEAD);
    tokio::spawn(Export { app: app.clone(), format, filter, last, pages, _permit: permit }.run(after));
    Ok(respond(format, Body::new(Stream { pages: taken, is_over: false })))
}

fn respond(format: Format, body: Body) -> Response {
    ([(CONTENT_TYPE, format.content_type())], body).into_response()
}

fn write(format: Format, is_first: bool, rows: &[EntryRow]) -> Vec<u8> {
    if format == Format::Csv {
        return csv::lines(is_first, rows);
    }
    let mut lines = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut lines, row).expect("an entry is JSON");
        lines.push(b'\n');
    }
    lines
}

/// What the reader of the store says to the writer of the answer.
enum Part {
    /// One page's lines.
    Lines(Vec<u8>),
    /// That was all.
    End,
    /// It cannot go on.
    Broken(Unable),
}

/// Reads the pages of one export.
struct Export {
    app: App,
    format: Format,
    filter: Filter,
    last: u64,
    pages: mpsc::Sender<Part>,
    _permit: SemaphorePermit<'static>,
}

impl Export {
    /// Ends early when the caller has gone.
    async fn run(self, mut after: Option<u64>) {
        let mut is_first = true;
        loop {
            let (part, next) = match self.app.service.entries(&self.filter, after, PAGE_ROWS_MAX).await {
                Err(error) => (Part::Broken(error), None),
                Ok(entries) => {
                    let next = entries.last().map(|entry| entry.position).filter(|_| entries.len() == PAGE_ROWS_MAX);
                    let kept = entries.into_iter().filter(|entry| entry.position <= self.last);
                    let rows: Vec<EntryRow> = kept.map(EntryRow::from).collect();
                    (Part::Lines(write(self.format, is_first, &rows)), next)
                }
            };
            let is_broken = matches!(part, Part::Broken(_));
            if self.pages.send(part).await.is_err() || is_broken {
                return;
            }
            match next.filter(|next| self.filter.newest_first || *next < self.last) {
                Some(position) => after = Some(position),
                None => break,
            }
            is_first = false;
        }
        // Nobody is there to be told where this fails.
        drop(self.pages.send(Part::End).await);
    }
}

/// Why a stream was broken off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Broken {
    #[error("the ledger cannot be read on: {0}")]
    Unable(Unable),
    #[error("the reader of the ledger has stopped")]
    Stopped,
}

/// The body of an export.
struct Stream {
    pages: mpsc::Receiver<Part>,
    is_over: bool,
}

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        self.pages.poll_recv(cx).map(|part| {
            let broken = match part {
                Some(Part::Lines(lines)) => return Some(Ok(Frame::data(lines.into()))),
                Some(Part::End) => None,
                Some(Part::Broken(error)) => Some(Broken::Unable(error)),
                None => Some(Broken::Stopped),
            };
            self.is_over = true;
            broken.map(|broken| {
                tracing::warn!(error = %broken, "an export of the ledger was broken off");
                Err(broken)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn read(parts: Vec<Part>) -> Result<Bytes, Broken> {
        let (pages, taken) = mpsc::channel(parts.len().max(1));
        for part in parts {
            assert!(pages.try_send(part).is_ok(), "there is room");
        }
        drop(pages);
        Stream { pages: taken, is_over: false }.collect().await.map(http_body_util::Collected::to_bytes)
    }

    #[tokio::test]
    async fn only_a_stream_that_says_so_is_whole() {
        let lines = || Part::Lines(b"one\n".to_vec());
        assert_eq!(read(vec![lines(), lines(), Part::End]).await, Ok("one\none\n".into()));
        assert_eq!(read(vec![lines()]).await, Err(Broken::Stopped));
        assert_eq!(read(vec![lines(), Part::Broken(Unable::Timeout)]).await, Err(Broken::Unable(Unable::Timeout)));
    }
}
