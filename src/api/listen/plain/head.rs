//! What is plainly a request: such as every usual caller sends, and of which no byte has two meanings.

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};
use httparse::{EMPTY_HEADER, Header, Status};

use super::super::front::Plain;

/// The most header lines of a plain request; callers send some ten.
const HEADERS_MAX: usize = 32;

/// The most bytes of a plain request, head and body: ten times what callers send.
pub const REQUEST_BYTES_MAX: usize = 16 * 1024;

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

impl<'a> Begun<'a> {
    /// Looks at received bytes. The headers go where those of the request before were.
    pub fn of(received: &'a [u8], looked_at: &[HeaderName], headers: &'a mut HeaderMap) -> Self {
        let mut lines = [EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Request::new(&mut lines);
        match head.parse(received) {
            Ok(Status::Complete(bytes)) => {
                Self::after(&head, bytes, received, (looked_at, headers)).unwrap_or(Self::Other)
            }
            Ok(Status::Partial) if received.len() < REQUEST_BYTES_MAX => Self::Part,
            Ok(Status::Partial) | Err(_) => Self::Other,
        }
    }

    /// With a head of so many bytes; `None`: it is something else.
    fn after(
        head: &httparse::Request<'_, 'a>,
        bytes: usize,
        received: &'a [u8],
        (looked_at, headers): (&[HeaderName], &'a mut HeaderMap),
    ) -> Option<Self> {
        let target = head.path.filter(|target| target.starts_with('/'))?;
        if head.method != Some("POST") || head.version != Some(1) {
            return None;
        }
        let body_bytes = read(head.headers, looked_at, headers)?;
        let all = bytes.checked_add(body_bytes).filter(|all| *all <= REQUEST_BYTES_MAX)?;
        let Some(body) = received.get(bytes..all) else { return Some(Self::Part) };
        Some(Self::Whole(Plain { target, headers, body }, all))
    }
}

/// Reads the headers that are looked at, and how many bytes follow the head; `None` where anything else says how the
/// request goes on, or says it twice.
fn read(lines: &[Header<'_>], looked_at: &[HeaderName], headers: &mut HeaderMap) -> Option<usize> {
    headers.clear();
    let mut length = None;
    for Header { name, value } in lines {
        let is = |known: &HeaderName| known.as_str().eq_ignore_ascii_case(name);
        if is(&CONTENT_LENGTH) {
            let said = digits(value)?;
            if length.replace(said).is_some() {
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
    Some(length.unwrap_or(0))
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

    fn begun<'a>(received: &'a str, headers: &'a mut HeaderMap) -> Begun<'a> {
        Begun::of(received.as_bytes(), &[AUTHORIZATION], headers)
    }

    #[test]
    fn a_plain_request_is_read_with_the_headers_that_are_looked_at() {
        let text = "POST /v1/debits?a=b HTTP/1.1\r\nHost: p\r\nauthorization: Bearer a\r\nAuthorization: b\r\n\
                    Connection: Keep-Alive\r\nContent-Length: 2\r\n\r\n{}POST";
        let mut headers = HeaderMap::new();
        let Begun::Whole(request, bytes) = begun(text, &mut headers) else { panic!("{text}") };
        assert_eq!((request.target, request.body, bytes), ("/v1/debits?a=b", &b"{}"[..], text.len() - 4));
        let read: Vec<_> = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(read, [("authorization", &b"Bearer a"[..]), ("authorization", b"b")]);
        let whole = &text[..bytes];
        for end in 0..whole.len() {
            assert!(matches!(begun(&whole[..end], &mut headers), Begun::Part), "{}", &whole[..end]);
        }
    }

    #[test]
    fn without_a_length_there_is_no_body() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("of the request before"));
        let Begun::Whole(request, bytes) = begun("POST /a HTTP/1.1\r\n\r\n{}", &mut headers) else {
            panic!("is plain")
        };
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
            let mut headers = HeaderMap::new();
            let begun = begun(&text, &mut headers);
            assert!(matches!(begun, Begun::Other), "{text}: {begun:?}");
        }
    }
}
