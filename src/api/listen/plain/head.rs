//! What is plainly a request: such as every usual caller sends, and of which no byte has two meanings.

use std::ops::Range;

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};
use httparse::{EMPTY_HEADER, Header, Status};

use super::super::front::Plain;

/// The most header lines of a plain request; callers send some ten.
const HEADERS_MAX: usize = 32;

/// The most bytes of a plain request, head and body: ten times what callers send.
pub const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// The longest head that is kept: one with a user's JWT is.
const KEPT_BYTES_MAX: usize = 2 * 1024;

/// What received bytes begin with.
#[derive(Debug)]
pub enum Begun<'a> {
    /// A plain request, with those of its headers that were asked for; how many bytes it takes.
    Whole(Plain<'a>, usize),
    /// Perhaps one, once more has come.
    Part,
    /// Something else, which is hyper's to answer or to refuse.
    Other,
}

/// The head that was read last on a connection. A caller mostly sends the same one again, but for the length of the body, and
/// to compare it takes less than to read it.
#[derive(Debug, Default)]
pub struct Head {
    /// How many have been read on this connection.
    number: u64,
    /// Those of its headers that were asked for.
    headers: HeaderMap,
    /// Where in it its target is.
    target: Range<usize>,
    /// All of its bytes; none where it is too long to be kept or tells no length.
    bytes: Vec<u8>,
    /// Where in them the length of the body is.
    length: Range<usize>,
}

/// How many bytes a head and its body have.
type Sizes = (usize, usize);

impl Head {
    /// Looks at received bytes.
    pub fn begun<'a>(&'a mut self, received: &'a [u8], looked_at: &[HeaderName]) -> Begun<'a> {
        if received.is_empty() {
            return Begun::Part;
        }
        let (head_bytes, body_bytes) = match self.again(received).map_or_else(|| self.read(received, looked_at), Ok) {
            Ok(sizes) => sizes,
            Err(begun) => return begun,
        };
        let Some(all) = head_bytes.checked_add(body_bytes).filter(|all| *all <= REQUEST_BYTES_MAX) else {
            return Begun::Other;
        };
        let Some(body) = received.get(head_bytes..all) else { return Begun::Part };
        let Ok(target) = str::from_utf8(&received[self.target.clone()]) else { return Begun::Other };
        Begun::Whole(Plain { target, headers: &self.headers, head: self.number, body }, all)
    }

    /// The sizes, where what is kept comes once more.
    fn again(&self, received: &[u8]) -> Option<Sizes> {
        if self.bytes.is_empty() {
            return None;
        }
        let (before, after) = (&self.bytes[..self.length.start], &self.bytes[self.length.end..]);
        let (first, rest) = received.split_at_checked(before.len())?;
        let (length, rest) = rest.split_at(rest.iter().take_while(|byte| byte.is_ascii_digit()).count());
        let is_same = is_same(first, before) & is_same(rest.get(..after.len())?, after);
        Some((before.len() + length.len() + after.len(), digits(length).filter(|_| is_same)?))
    }

    /// The sizes of another head.
    fn read(&mut self, received: &[u8], looked_at: &[HeaderName]) -> Result<Sizes, Begun<'static>> {
        // Whatever comes of this one, nothing is known of the one before.
        self.number += 1;
        self.bytes.clear();
        let mut lines = [EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Request::new(&mut lines);
        match head.parse(received) {
            Ok(Status::Complete(bytes)) => {
                let body_bytes = self.take_in(&head, &received[..bytes], looked_at).ok_or(Begun::Other)?;
                Ok((bytes, body_bytes))
            }
            Ok(Status::Partial) if received.len() < REQUEST_BYTES_MAX => Err(Begun::Part),
            Ok(Status::Partial) | Err(_) => Err(Begun::Other),
        }
    }

    /// Takes in what was parsed of these bytes, and tells how many follow them; `None`: it is something else.
    fn take_in(&mut self, head: &httparse::Request<'_, '_>, bytes: &[u8], looked_at: &[HeaderName]) -> Option<usize> {
        let target = head.path.filter(|target| target.starts_with('/'))?;
        if head.method != Some("POST") || head.version != Some(1) {
            return None;
        }
        self.target = place(target.as_bytes(), bytes);
        let Some(length) = read(head.headers, looked_at, &mut self.headers)? else { return Some(0) };
        if bytes.len() <= KEPT_BYTES_MAX {
            self.length = place(length, bytes);
            self.bytes.extend_from_slice(bytes);
        }
        digits(length)
    }
}

/// Where a part of `bytes` lies in them.
fn place(part: &[u8], bytes: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr() - bytes.as_ptr().addr();
    start..start + part.len()
}

/// Whether all bytes are the same, looking at each of them: how long that takes tells nobody how much of a token is right.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    debug_assert_eq!(one.len(), other.len(), "as many bytes are compared");
    one.iter().zip(other).fold(0, |differs, (one, other)| differs | (one ^ other)) == 0
}

/// Reads the headers that are looked at, and the text of how many bytes follow the head; `None` where anything else says how
/// the request goes on, or says it twice.
fn read<'a>(lines: &[Header<'a>], looked_at: &[HeaderName], headers: &mut HeaderMap) -> Option<Option<&'a [u8]>> {
    headers.clear();
    let mut length = None;
    for Header { name, value } in lines {
        let is = |known: &HeaderName| known.as_str().eq_ignore_ascii_case(name);
        if is(&CONTENT_LENGTH) {
            digits(value)?;
            if length.replace(*value).is_some() {
                return None;
            }
        } else if is(&CONNECTION) {
            if !value.eq_ignore_ascii_case(b"keep-alive") {
                return None;
            }
        } else if is(&TRANSFER_ENCODING) || is(&EXPECT) || is(&UPGRADE) {
            return None;
        } else if let Some(name) = looked_at.iter().find(|known| is(known)) {
            headers.append(name, HeaderValue::from_bytes(value).ok()?);
        }
    }
    Some(length)
}

/// A number without sign or spaces.
fn digits(value: &[u8]) -> Option<usize> {
    let text = str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;

    use super::*;

    fn begun<'a>(received: &'a str, head: &'a mut Head) -> Begun<'a> {
        head.begun(received.as_bytes(), &[AUTHORIZATION])
    }

    /// The head's number and the body of what must be a plain request.
    fn whole<'a>(received: &'a str, head: &'a mut Head) -> (u64, &'a str) {
        let Begun::Whole(request, bytes) = begun(received, head) else { panic!("{received}") };
        assert_eq!((request.target, bytes), ("/a", received.len()));
        (request.head, str::from_utf8(request.body).expect("a text"))
    }

    #[test]
    fn a_plain_request_is_read_with_the_headers_that_are_looked_at() {
        let text = "POST /v1/debits?a=b HTTP/1.1\r\nHost: p\r\nauthorization: Bearer a\r\nAuthorization: b\r\n\
                    Connection: Keep-Alive\r\nContent-Length: 2\r\n\r\n{}POST";
        let mut head = Head::default();
        let Begun::Whole(request, bytes) = begun(text, &mut head) else { panic!("{text}") };
        assert_eq!((request.target, request.body, bytes), ("/v1/debits?a=b", &b"{}"[..], text.len() - 4));
        let read: Vec<_> = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(read, [("authorization", &b"Bearer a"[..]), ("authorization", b"b")]);
        let whole = &text[..bytes];
        for end in 0..whole.len() {
            assert!(matches!(begun(&whole[..end], &mut head), Begun::Part), "{}", &whole[..end]);
        }
    }

    #[test]
    fn a_head_is_known_again_by_all_of_its_bytes_but_those_of_the_length() {
        let mut head = Head::default();
        let text = |token: &str, length: &str, body: &str| {
            format!("POST /a HTTP/1.1\r\nauthorization: {token}\r\ncontent-length:  {length} \r\nx: y\r\n\r\n{body}")
        };
        let first = whole(&text("b", "2", "{}"), &mut head).0;
        for (length, body) in [("12", "a long body."), ("0", ""), ("002", "ab"), ("2", "ab")] {
            assert_eq!(whole(&text("b", length, body), &mut head), (first, body));
        }
        for part in ["POST", "POST /a HTTP/1.1\r\nauthorization: b\r\ncontent-length:  1"] {
            assert!(matches!(begun(part, &mut head), Begun::Part), "{part}");
        }
        assert_eq!(whole(&text("b", "2", "{}"), &mut head), (first + 3, "{}"), "a part is another one");
        let whole_text = text("b", "3", "abc");
        for end in whole_text.len() - 3..whole_text.len() {
            assert!(matches!(begun(&whole_text[..end], &mut head), Begun::Part), "waits for the body");
        }
        assert_eq!(whole(&whole_text, &mut head), (first + 3, "abc"));
        assert_eq!(whole(&text("c", "2", "{}"), &mut head), (first + 4, "{}"), "a token as long");
        assert_eq!(head.headers[AUTHORIZATION], "c");
        for length in ["", "+2", "2 2", "-2", "99999999999999999999999", "16384"] {
            whole(&text("c", "2", "{}"), &mut head);
            assert!(matches!(begun(&text("c", length, "{}"), &mut head), Begun::Other), "{length}");
        }
    }

    #[test]
    fn of_a_head_that_is_not_kept_nothing_is_known() {
        let mut head = Head::default();
        let without = "POST /a HTTP/1.1\r\nauthorization: b\r\n\r\n";
        let long = format!("POST /a HTTP/1.1\r\nx: {}\r\ncontent-length: 0\r\n\r\n", "y".repeat(KEPT_BYTES_MAX));
        let mut last = 0;
        for text in [without, without, &long, &long, without] {
            let (number, _) = whole(text, &mut head);
            assert!(number > last, "{text}");
            last = number;
        }
    }

    #[test]
    fn without_a_length_there_is_no_body() {
        let mut head = Head::default();
        whole("POST /a HTTP/1.1\r\nauthorization: b\r\ncontent-length: 0\r\n\r\n", &mut head);
        let Begun::Whole(request, bytes) = begun("POST /a HTTP/1.1\r\n\r\n{}", &mut head) else { panic!("is plain") };
        assert!(request.body.is_empty() && request.headers.is_empty());
        assert_eq!(bytes, 20);
    }

    #[test]
    fn whatever_may_be_read_in_two_ways_is_something_else() {
        let line = |line: &str| format!("POST /a HTTP/1.1\r\n{line}\r\n\r\n{{}}");
        for text in [
            line("content-length: 2\r\ncontent-length: 2"),
            line("content-length: 2, 2"),
            line("content-length: +2"),
            line("content-length: -2"),
            line("content-length: 0x2"),
            line("content-length:"),
            line("content-length: 2\r\ntransfer-encoding: chunked"),
            line("content-length : 2"),
            line("transfer-encoding: identity"),
            line("expect: 100-continue"),
            line("connection: close"),
            line("connection: upgrade, keep-alive"),
            line("upgrade: h2c"),
            line("content-length: 99999999999999999999999"),
            line(&format!("content-length: {REQUEST_BYTES_MAX}")),
            line("a: b\r\n folded: c"),
            line(&"a: b\r\n".repeat(HEADERS_MAX + 1)),
            format!("POST /a HTTP/1.1\r\na: {}", "b".repeat(REQUEST_BYTES_MAX)),
            "POST /a HTTP/1.0\r\ncontent-length: 2\r\n\r\n{}".to_owned(),
            "GET /a HTTP/1.1\r\n\r\n".to_owned(),
            "POST http://p/a HTTP/1.1\r\n\r\n".to_owned(),
            "POST * HTTP/1.1\r\n\r\n".to_owned(),
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
            "\u{16}\u{3}\u{1}".to_owned(),
        ] {
            let mut head = Head::default();
            let begun = begun(&text, &mut head);
            assert!(matches!(begun, Begun::Other), "{text}: {begun:?}");
        }
    }
}
