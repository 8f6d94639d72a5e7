//! Lists of the server, page by page. Not here: what the items are.

use serde::Deserialize;

use super::client::{Ask, Client, ClientError, encoded};
use super::tree::Answer;

/// The most items that one page has.
pub(super) const PAGE_MAX: u64 = 500;

/// One page.
#[derive(Debug, Deserialize)]
struct Page {
    #[serde(alias = "teams", alias = "members", alias = "entries")]
    items: Vec<Answer>,
    next_cursor: Option<String>,
}

/// A list that is read page by page.
#[derive(Debug)]
pub(super) struct Pages<'a> {
    client: &'a Client,
    /// The route with its filters; ends in `?` or `&`.
    path: String,
    cursor: Option<String>,
    /// How many items may still come.
    left: u64,
}

impl<'a> Pages<'a> {
    /// The list at `path` (with filters, already encoded), at most `limit` items; 0: all.
    pub(super) fn new(client: &'a Client, path: &str, limit: u64) -> Self {
        let separator = if path.contains('?') { '&' } else { '?' };
        let left = if limit == 0 { u64::MAX } else { limit };
        Self { client, path: format!("{path}{separator}"), cursor: None, left }
    }

    /// The next page; empty when there is none.
    pub(super) async fn next(&mut self) -> Result<Vec<Answer>, ClientError> {
        if self.left == 0 {
            return Ok(Vec::new());
        }
        let mut path = format!("{}limit={}", self.path, self.left.min(PAGE_MAX));
        if let Some(cursor) = &self.cursor {
            path = format!("{path}&cursor={}", encoded(cursor));
        }
        let page: Page = self.client.read(&Ask::get(path)).await?;
        self.left = self.left.saturating_sub(page.items.len() as u64);
        self.cursor = page.next_cursor;
        if self.cursor.is_none() {
            self.left = 0;
        }
        Ok(page.items)
    }

    /// Everything that is left of the list.
    pub(super) async fn all(mut self) -> Result<Vec<Answer>, ClientError> {
        let mut all = Vec::new();
        loop {
            let page = self.next().await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }
}
