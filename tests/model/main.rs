//! The meter against a slow model of the same promises, over random histories.
//!
//! The model keeps a list of what was accepted and works everything out from it anew, each time. It
//! shares no code with the product but ids and amounts. What the root lends is given to it; what
//! may be done with that, it predicts to the last number, refused and repeated requests included.

mod audit;
mod contrast;
mod ends;
mod facts;
mod history;
mod model;
mod setting;

#[path = "../support/mod.rs"]
mod support;

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};

use contrast::Contrast;
use history::{Step, history};

/// Steps of one history.
const STEPS: usize = 200;

fn config() -> Config {
    // Found counterexamples are kept beside this file, so that every later run begins with them.
    let failure_persistence = Some(Box::new(FileFailurePersistence::WithSource("proptest-regressions")) as _);
    Config { cases: 256, max_shrink_iters: 3_000, failure_persistence, ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_meter_answers_as_the_model_predicts(
        history in history(STEPS),
        cut in 0..STEPS,
    ) {
        run(&history.0, cut);
    }
}

fn run(steps: &[Step], cut: usize) {
    let mut contrast = Contrast::new();
    for (number, step) in steps.iter().enumerate() {
        contrast.take(step);
        if number == cut {
            audit::recovers(&contrast);
        }
    }
    audit::recovers(&contrast);
    audit::conserves(&mut contrast);
}
