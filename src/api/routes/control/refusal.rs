//! Refusals of the root as problems.

use crate::api::problem::{Code, Problem};
pub use crate::api::routes::faults::unable;
use crate::root::Refusal;

/// Why a command was refused, for its caller.
pub fn problem(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Forbidden(why) => Problem::new(Code::Forbidden, sentence(why)),
        Refusal::NotFound { what, name } => not_found(what, name),
        Refusal::Conflict { code, detail } => Problem::new(conflict(code), format!("{detail}.")),
        Refusal::Invalid { pointer, detail } => {
            let field = pointer.trim_start_matches('/').replace('/', ".");
            Problem::new(Code::InvalidValue, format!("{field} {detail}.")).at(pointer)
        }
        refusal @ Refusal::Bulk(_) => Problem::new(Code::InvalidValue, format!("{refusal}.")).at("/members"),
    }
}

/// There is no such resource, or the caller may not know of it.
pub fn not_found(what: &str, name: impl std::fmt::Display) -> Problem {
    Problem::new(Code::NotFound, format!("There is no {what} {name}."))
}

/// The code that the root names. One that is not in the table of problems is a defect.
fn conflict(code: &str) -> Code {
    Code::ALL.iter().copied().find(|known| known.as_str() == code).unwrap_or(Code::Internal)
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(characters).chain(['.']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_conflict_of_the_root_has_its_problem() {
        for (code, status) in [
            ("no_free_seat", 409),
            ("already_assigned", 409),
            ("already_subscribed", 409),
            ("no_subscription", 409),
            ("is_owner", 409),
            ("owner_fixed", 409),
            ("not_a_member", 409),
            ("no_feature", 409),
            ("too_many_members", 409),
            ("too_many_purchases", 409),
            ("sidecar_in_use", 409),
            ("id_reused", 422),
        ] {
            let problem = problem(Refusal::Conflict { code, detail: "it is so".to_owned() });
            assert_eq!((problem.code.as_str(), problem.code.status().as_u16()), (code, status));
        }
    }

    #[test]
    fn an_invalid_value_is_named_in_words_and_as_a_pointer() {
        let refusal = Refusal::Invalid { pointer: "/rollover/windows", detail: "is 121; at most 120".to_owned() };
        let problem = problem(refusal);
        assert_eq!(problem.detail, "rollover.windows is 121; at most 120.");
        assert_eq!(problem.pointer.as_deref(), Some("/rollover/windows"));
    }
}
