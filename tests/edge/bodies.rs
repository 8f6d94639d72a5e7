//! What a body, a path and a header may be, and what the answer says where they are not.

use tokio::io::AsyncWriteExt;

use crate::support::{Edge, get_path, post_json, read_answer};

#[tokio::test]
async fn a_request_is_answered_and_its_connection_kept() {
    let edge = Edge::tcp();
    let mut stream = edge.connect().await;
    for credits in ["1.25", "\"1.250\""] {
        let body = format!(r#"{{"id":"req/81","team":"acme","member":"ana","credits":{credits},"ttl_ms":60000}}"#);
        stream.write_all(post_json("/v1/debits", &body).as_bytes()).await.expect("sends");
        let answer = read_answer(&mut stream).await.expect("an answer");
        assert_eq!((answer.status, answer.body.as_str()), (200, "req/81 acme ana 1.25 60000"));
    }
}

#[tokio::test]
async fn each_fault_of_a_body_has_its_code_and_pointer() {
    let edge = Edge::tcp();
    let deep = format!(r#"{{"member":{}{}}}"#, "[".repeat(17), "]".repeat(17));
    let bottomless = "[".repeat(60_000);
    for (body, status, code, pointer) in [
        ("", 400, "empty_body", None),
        ("{", 400, "not_json", None),
        (r#"{"member":"ana","credits":NaN}"#, 400, "not_json", None),
        (&deep, 400, "not_json", None),
        (&bottomless, 400, "not_json", None),
        (r#"{"member":"ana"}"#, 422, "missing_field", Some("/credits")),
        (r#"{"member":"ana","credits":1,"x/y":1}"#, 422, "unknown_field", Some("/x~1y")),
        (r#"{"member":"ana","credits":1,"credits":1}"#, 422, "duplicate_field", Some("/credits")),
        (r#"{"member":"ana","credits":1e3}"#, 422, "invalid_value", Some("/credits")),
        (r#"{"member":"ana","credits":9223372036854775808}"#, 422, "invalid_value", Some("/credits")),
        (r#"{"member":"ana","credits":-1}"#, 422, "invalid_value", Some("/credits")),
        (r#"{"member":"ana","credits":"0.1234567"}"#, 422, "invalid_value", Some("/credits")),
        (r#"{"member":"a\r\nb","credits":1}"#, 422, "invalid_value", Some("/member")),
        (r#"{"member":"ana","credits":1,"id":"a\nb"}"#, 422, "invalid_value", Some("/id")),
        (r#"{"member":"ana","credits":1,"ttl_ms":1}"#, 422, "invalid_value", Some("/ttl_ms")),
        ("[1]", 422, "invalid_value", Some("")),
    ] {
        let answer = edge.ask(&post_json("/v1/debits", body)).await;
        let (found, place) = answer.problem();
        assert_eq!((answer.status, found.as_str(), place.as_deref()), (status, code, pointer), "{body:.80}");
    }
}

#[tokio::test]
async fn a_fault_in_a_batch_names_its_row() {
    let edge = Edge::tcp();
    let rows = [r#"{"member":"ana","credits":1}"#; 3].join(",");
    let answer =
        edge.ask(&post_json("/v1/batch", &format!(r#"{{"ops":[{rows},{{"member":"ana","credits":-1}}]}}"#))).await;
    assert_eq!((answer.status, answer.problem().1.as_deref()), (422, Some("/ops/3/credits")));
    let many = vec![r#"{"member":"ana","credits":1}"#; 10_000].join(",");
    let answer = edge.ask(&post_json("/v1/batch", &format!(r#"{{"ops":[{many}]}}"#))).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "10000"));
}

#[tokio::test]
async fn other_media_types_are_refused_whatever_they_hold() {
    let edge = Edge::tcp();
    let body = r#"{"member":"ana","credits":1}"#;
    for (content_type, status) in [
        ("content-type: application/json", 200),
        ("content-type: Application/JSON; charset=utf-8", 200),
        ("content-type: text/plain", 415),
        ("content-type: application/x-www-form-urlencoded", 415),
        ("content-type: application/jsonp", 415),
        ("x: y", 415),
    ] {
        let request = post_json("/v1/debits", body).replace("content-type: application/json", content_type);
        let answer = edge.ask(&request).await;
        assert_eq!(answer.status, status, "{content_type}");
        assert!(status == 200 || answer.problem().0 == "not_json_media_type");
    }
}

#[tokio::test]
async fn a_large_body_is_refused_without_being_read() {
    let edge = Edge::tcp();
    let head = post_json("/v1/debits", "").replace("content-length: 0", "content-length: 10485760");
    // Not a byte of the body is sent.
    let answer = edge.ask(&head).await;
    assert_eq!((answer.status, answer.problem().0.as_str()), (413, "too_large"));
    // The caller sends all of it and still gets the answer.
    let (mut reader, mut writer) = edge.connect().await.into_split();
    let sending = tokio::spawn(async move {
        writer.write_all(head.as_bytes()).await.expect("sends");
        // The listener closes before it has read all of it.
        writer.write_all(&vec![b' '; 10 * 1024 * 1024]).await.is_err()
    });
    let answer = read_answer(&mut reader).await.expect("an answer");
    assert_eq!(answer.status, 413);
    assert!(answer.head.contains("connection: close"));
    assert!(sending.await.expect("sends"), "10 MiB were read for nothing");
}

#[tokio::test]
async fn a_large_body_of_unknown_length_is_refused_at_the_cap() {
    let edge = Edge::tcp();
    let head = post_json("/v1/debits", "").replace("content-length: 0", "transfer-encoding: chunked");
    let chunk = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
    let answer = edge.ask(&format!("{head}{chunk}{chunk}")).await;
    let refused = edge.ask(&format!("{head}{chunk}{chunk}{chunk}")).await;
    drop(answer);
    assert_eq!((refused.status, refused.problem().0.as_str()), (413, "too_large"));
}

#[tokio::test]
async fn ids_in_paths_are_decoded_and_checked() {
    let edge = Edge::tcp();
    for (path, status, body) in [
        ("/v1/teams/acme/members/ana%40example.org/balance", 200, "acme ana@example.org"),
        ("/v1/teams/a%2Fb/members/ana/balance", 422, ""),
        ("/v1/teams/acme/members/a%0D%0Ab/balance", 422, ""),
        ("/v1/teams/acme/members/%FF/balance", 422, ""),
        ("/v1/teams/acme/members/%C3%A9/balance", 422, ""),
        ("/v1/teams//members/ana/balance", 422, ""),
        ("/v1/nothing", 404, ""),
    ] {
        let answer = edge.ask(&get_path(path)).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(if status == 200 { answer.body == body } else { !answer.problem().0.is_empty() }, "{path} {answer:?}");
    }
    let long = format!("/v1/teams/{}/members/ana/balance", "x".repeat(129));
    assert_eq!(edge.ask(&get_path(&long)).await.status, 422);
    let answer = edge.ask(&post_json("/v1/holds/req%2F81/release", "")).await;
    assert_eq!(answer.body, "req/81");
}

#[tokio::test]
async fn the_wrong_method_is_a_problem_that_names_the_right_one() {
    let edge = Edge::tcp();
    let answer = edge.ask(&get_path("/v1/debits")).await;
    assert_eq!((answer.status, answer.problem().0.as_str()), (405, "method_not_allowed"));
    assert!(answer.head.contains("allow: post"), "{}", answer.head);
}

#[tokio::test]
async fn the_idempotency_key_is_the_id_or_the_same_as_it() {
    let edge = Edge::tcp();
    for (key, body, status, says) in [
        ("a1", r#"{"member":"ana","credits":1}"#, 200, "a1 - ana 1 0"),
        ("a1", r#"{"id":"a1","member":"ana","credits":1}"#, 200, "a1 - ana 1 0"),
        ("a1", r#"{"id":"a2","member":"ana","credits":1}"#, 422, "/id"),
        ("a 1", r#"{"member":"ana","credits":1}"#, 422, "visible ASCII"),
    ] {
        let request = post_json("/v1/debits", body).replace("host: p", &format!("host: p\r\nIdempotency-Key: {key}"));
        let answer = edge.ask(&request).await;
        assert!(answer.status == status && answer.body.contains(says), "{key} {body}: {answer:?}");
    }
}
