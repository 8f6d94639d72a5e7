//! The answers to what was decided together on a stream, written one behind the other as they will be sent, once it is said
//! whether they could be made durable.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use tonic::Code;

use super::allowed::write_response;
use super::faults::code;
use super::frames::PREFIX_BYTES;
use super::wire::purser::DecideResponse;
use super::wire::purser::decide_response::Answer;
use super::write;
use crate::api::problem::Problem;
use crate::domain::OperationId;
use crate::engine::Drawn;
use crate::metrics::Call;
use crate::service::{Together, Unable};

/// Room for what is mostly written before it is sent.
const ROOM_BYTES: usize = 16 * 1024;

/// Answers that are waiting, and their bytes.
#[derive(Default)]
pub struct Answers {
    bytes: BytesMut,
    all: Vec<Written>,
    together: Together,
}

/// One of them.
struct Written {
    number: u64,
    /// Where its bytes end.
    end: usize,
    code: Code,
    /// It may be given only if it is durable.
    is_entered: bool,
}

impl Answers {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether nothing is answered yet.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Answers the request of this number, which named the id, with what was drawn.
    pub fn put_drawn(&mut self, number: u64, id: &OperationId, drawn: Drawn, output_tokens: Option<u64>) {
        let entered = Together::of(&drawn);
        if let Drawn::Allowed(allowed) = &drawn {
            self.room();
            write_response(&mut self.bytes, number, id, allowed, output_tokens);
            self.end(number, Code::Ok, &entered);
        } else {
            let decision = write::decision(Some(id), drawn, output_tokens);
            self.put(number, Ok(Answer::Decision(decision)), &entered);
        }
    }

    /// Answers the request of this number; what was entered for it must be durable before.
    pub fn put(&mut self, number: u64, answer: Result<Answer, Problem>, entered: &Together) {
        let code = answer.as_ref().map_or_else(|problem| code(problem.code), |_| Code::Ok);
        self.room();
        write_answer(&mut self.bytes, number, answer);
        self.end(number, code, entered);
    }

    /// Before one more is written; of one whose writing broke off, nothing is kept.
    fn room(&mut self) {
        let end = self.all.last().map_or(0, |last| last.end);
        self.bytes.truncate(end);
        if end == 0 {
            self.bytes.reserve(ROOM_BYTES);
        }
    }

    fn end(&mut self, number: u64, code: Code, entered: &Together) {
        self.together.join(entered);
        self.all.push(Written { number, end: self.bytes.len(), code, is_entered: !entered.is_empty() });
    }

    /// What all of them wait for.
    pub fn together(&mut self) -> Together {
        std::mem::take(&mut self.together)
    }

    /// Their bytes, counted; none is left. Where they could not be made durable, those that had to be are problems.
    pub fn take(&mut self, durable: Result<(), Unable>, call: &Call) -> Bytes {
        if let Err(unable) = durable {
            self.refuse(&unable.into());
        }
        let mut fine = 0;
        for written in self.all.drain(..) {
            match written.code {
                Code::Ok => fine += 1,
                code => call.answered(code as usize),
            }
        }
        call.answered_many(Code::Ok as usize, fine);
        self.bytes.split().freeze()
    }

    fn refuse(&mut self, problem: &Problem) {
        let (mut bytes, mut begin) = (BytesMut::new(), 0);
        for Written { number, end, code, is_entered } in &mut self.all {
            if *is_entered {
                *code = super::faults::code(problem.code);
                write_answer(&mut bytes, *number, Err(problem.clone()));
            } else {
                bytes.put_slice(&self.bytes[begin..*end]);
            }
            begin = *end;
            *end = bytes.len();
        }
        self.bytes = bytes;
    }
}

fn write_answer(bytes: &mut BytesMut, number: u64, answer: Result<Answer, Problem>) {
    let answer = answer.unwrap_or_else(|problem| Answer::Problem((&problem).into()));
    write_message(bytes, &DecideResponse { number, answer: Some(answer) });
}

/// Writes a message behind its prefix.
pub fn write_message(bytes: &mut BytesMut, message: &impl Message) {
    let len = message.encoded_len();
    bytes.reserve(PREFIX_BYTES + len);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(len).expect("an answer is small"));
    message.encode(bytes).expect("there is room");
}

#[cfg(test)]
mod tests {
    use super::super::frames::prefix;
    use super::super::wire::purser::Settled;
    use super::*;
    use crate::api::problem::Code as Kind;
    use crate::domain::{Credits, Drawer, Payer, SubscriptionId, UserId};
    use crate::engine::{Allowed, Remaining};
    use crate::metrics::Metrics;

    fn read(mut bytes: &[u8]) -> Vec<(u64, Answer)> {
        let mut all = Vec::new();
        while let Ok(Some((len, rest))) = prefix(bytes, usize::MAX) {
            let answer = DecideResponse::decode(&rest[..len]).expect("a message");
            all.push((answer.number, answer.answer.expect("an answer")));
            bytes = &rest[len..];
        }
        assert!(bytes.is_empty());
        all
    }

    /// What an entry waits for.
    fn entered() -> Together {
        Together::of(&Drawn::Allowed(Allowed {
            credits: Credits::ZERO,
            drawer: Drawer {
                team: None,
                member: UserId::new("ana").expect("a name"),
                payer: Payer::Pool,
                subscription: SubscriptionId::new("sub_1").expect("a name"),
            },
            expires_at: None,
            rates: None,
            remaining: Remaining { member: None, payer: Credits::ZERO },
            replayed: false,
            seq: Some(7),
        }))
    }

    #[test]
    fn what_could_not_be_made_durable_is_a_problem_and_the_others_stay() {
        let metrics = Metrics::new();
        let call = metrics.call("Decide");
        let answer = || Ok(Answer::Settled(Settled::default()));
        let problem = || Problem::new(Kind::NotFound, "no");
        let mut answers = Answers::default();
        let put = |answers: &mut Answers| {
            answers.put(1, answer(), &entered());
            answers.put(2, Err(problem()), &Together::default());
            answers.put(3, answer(), &Together::default());
            answers.put(4, answer(), &entered());
            assert!((answers.len(), answers.together().is_empty()) == (4, false));
        };
        put(&mut answers);
        let fine = read(&answers.take(Ok(()), &call));
        assert!(answers.is_empty());
        put(&mut answers);
        let refused = read(&answers.take(Err(Unable::Journal), &call));
        let numbers = |all: &[(u64, Answer)]| all.iter().map(|(number, _)| *number).collect::<Vec<_>>();
        assert_eq!((numbers(&fine), numbers(&refused)), (vec![1, 2, 3, 4], vec![1, 2, 3, 4]));
        assert_eq!(refused[1..3], fine[1..3]);
        for at in [0, 3] {
            assert!(matches!(&refused[at].1, Answer::Problem(problem) if problem.code == "unavailable"), "{refused:?}");
        }
        let page = metrics.render();
        for line in [r#"code="OK"} 4"#, r#"code="NOT_FOUND"} 2"#, r#"code="UNAVAILABLE"} 2"#] {
            assert!(page.contains(line), "{line} in {page}");
        }
    }
}
