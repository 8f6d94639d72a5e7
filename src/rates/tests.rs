//! What prices promise: exact sums, rounded once; one version, one content; faults with their places.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::domain::{Credits, Model};

const CARD: &str = r#"
default = { input = 1, output = 4, output_tokens = 1000 }

[models]
"gpt-4o" = { input = 2.5, cached_input = 1.25, output = 10, output_tokens = 4096 }
"gpt-4o*" = { input = 0.15, output = 0.6, output_tokens = 4096 }
"gpt-*" = { refuse = true }
"whisper-1" = { second = 0.0001 }

[models."o3"]
call = "0.01"
input = 2e0
output = 8
reasoning = 12
"#;

fn card(text: &str) -> Card {
    read(Path::new("rates.toml"), text).expect("a card")
}

fn faults(text: &str) -> String {
    read(Path::new("r.toml"), text).expect_err("it is wrong").to_string()
}

fn model(name: &str) -> Model {
    Model::new(name).expect("a name")
}

fn credits(text: &str) -> Credits {
    text.parse().expect("an amount")
}

fn usage(input: u64, output: u64) -> Usage {
    Usage { input_tokens: input, output_tokens: Some(output), ..Usage::default() }
}

#[test]
fn the_exact_name_comes_before_the_pattern_that_says_most_before_the_default() {
    let card = card(CARD);
    for (name, cost) in [
        ("gpt-4o", Ok("12.5")),
        ("gpt-4o-mini", Ok("0.75")),
        ("gpt-5", Err(Unpriced::NoRate)),
        ("claude", Ok("5")),
        ("o3", Ok("10.01")),
    ] {
        let cost = cost.map(credits);
        assert_eq!(card.cost(Some(&model(name)), &usage(1_000_000, 1_000_000)), cost, "{name}");
    }
    assert_eq!(card.cost(None, &usage(1_000_000, 0)), Ok(credits("1")));
    let strict = self::card("[models]\na = { input = 1 }");
    assert_eq!(strict.cost(Some(&model("b")), &usage(1, 1)), Err(Unpriced::NoRate));
    assert_eq!(strict.cost(None, &usage(1, 1)), Err(Unpriced::NoRate));
}

#[test]
fn a_call_is_rounded_up_once() {
    let card = card(CARD);
    let cost = |name, usage: Usage| card.cost(Some(&model(name)), &usage).map(|credits| credits.to_string());
    assert_eq!(cost("gpt-4o-mini", usage(1, 1)).as_deref(), Ok("0.000001"), "0.00000075");
    assert_eq!(cost("gpt-4o", usage(0, 0)).as_deref(), Ok("0"));
    let cached = Usage { cached_input_tokens: 512, ..usage(812, 400) };
    assert_eq!(cost("gpt-4o", cached).as_deref(), Ok("0.00539"), "300 x 2.5 + 512 x 1.25 + 400 x 10");
    let reasoning = Usage { reasoning_tokens: 300, ..usage(0, 400) };
    assert_eq!(cost("o3", reasoning).as_deref(), Ok("0.0144"), "0.01 + 100 x 8 + 300 x 12");
    let seconds = Usage { second_micros: 12_345_678, ..Usage::default() };
    assert_eq!(cost("whisper-1", seconds).as_deref(), Ok("0.001235"), "0.0012345678");
}

#[test]
fn an_answer_of_unknown_length_is_expected_to_have_what_the_card_says() {
    let card = card(CARD);
    let open = |input| Usage { input_tokens: input, ..Usage::default() };
    let cost = |name, usage| card.cost(Some(&model(name)), &usage);
    assert_eq!(cost("gpt-4o", open(0)), Ok(credits("0.04096")));
    assert_eq!(cost("whisper-1", open(0)), Ok(Credits::ZERO), "its answers cost nothing");
    assert_eq!(cost("o3", open(0)), Err(Unpriced::OutputUnknown));
    let rate = card.rate(Some(&model("gpt-4o"))).expect("a rate");
    assert_eq!(rate.affordable(&open(1_000), credits("0.0125")), Ok(1_000), "0.0025 are for the prompt");
    assert_eq!(rate.affordable(&open(1_000), credits("0.0024")), Ok(0));
    assert_eq!(rate.affordable(&open(1_000), credits("9")), Ok(4_096));
    assert_eq!(rate.affordable(&usage(1_000, 50), credits("9")), Ok(50));
}

#[test]
fn a_part_is_no_more_than_its_whole() {
    let rate = Rate { input: "1".parse().expect("a price"), ..Rate::default() };
    let cached = Usage { cached_input_tokens: 11, ..usage(10, 10) };
    assert_eq!(rate.cost(&cached), Err(Unpriced::CachedAboveInput));
    let reasoning = Usage { reasoning_tokens: 11, ..usage(10, 10) };
    assert_eq!(rate.cost(&reasoning), Err(Unpriced::ReasoningAboveOutput));
    assert_eq!(rate.cost(&usage(u64::MAX, 0)), Err(Unpriced::TooLarge));
}

#[test]
fn a_version_is_the_content_whatever_its_order_and_comments() {
    let one = card("[models]\na = { input = 1, output = 2 }\n\"b*\" = { call = 3 }");
    let same = card("# old\n[models.\"b*\"]\ncall = \"3.0\"\n[models.a]\noutput = 2\ninput = 1.0 # dear\n");
    assert_eq!(one, same);
    assert_eq!(one.version().to_string(), "1a402f366a5d654f", "a card's version never changes");
    for other in [
        "[models]\na = { input = 1, output = 2 }\n\"b*\" = { call = 3.000000000001 }",
        "[models]\na = { input = 1, output = 2, output_tokens = 7 }\n\"b*\" = { call = 3 }",
        "[models]\na = { input = 1, output = 2, cached_input = 1 }\n\"b*\" = { call = 3 }",
        "default = { input = 1 }\n[models]\na = { input = 1, output = 2 }\n\"b*\" = { call = 3 }",
        "[models]\na = { input = 1, output = 2 }\n\"b*\" = { refuse = true }",
    ] {
        assert_ne!(card(other).version(), one.version(), "{other}");
    }
    let whole = card(CARD);
    assert_eq!(card(&whole.to_toml()), whole);
}

#[test]
fn faults_name_their_place_and_what_would_be_allowed() {
    for (text, fault) in [
        ("[model]\n", "r.toml:1:2: unknown key model; did you mean models?"),
        ("models = 3", "r.toml:1:10: models is no table; write [models]"),
        ("[models]\na = 3", "r.toml:2:5: models.\"a\" is no table; write { input = 2.5, output = 10 }"),
        ("[models]\na = { inptu = 1 }", "r.toml:2:7: unknown key models.\"a\".inptu; did you mean input?"),
        ("[models]\na = { input = -1 }", "r.toml:2:15: models.\"a\".input is negative; 0 or more is wanted"),
        ("[models]\na = { input = nan }", "r.toml:2:15: models.\"a\".input is not a decimal number such as 2.5"),
        ("[models]\na = { input = true }", "r.toml:2:15: models.\"a\".input is no number; write credits such as 2.5"),
        ("[models]\na = { call = 1000001 }", "r.toml:2:14: models.\"a\".call is above 1000000, the highest price"),
        ("[models]\na = { call = 0.0000000000001 }", "r.toml:2:14: models.\"a\".call has more than 12 fraction digits"),
        (
            "[models]\na = { call = 1, output_tokens = 1.5 }",
            "r.toml:2:33: models.\"a\".output_tokens must be a whole number from 0 to 1000000000000",
        ),
        (
            "[models]\na = { refuse = true, call = 1 }",
            "r.toml:2:1: models.\"a\" is refused; a price beside that says nothing",
        ),
        (
            "[models]\na = {}",
            "r.toml:2:1: models.\"a\" has no price; write call = 0 where it is free, refuse = true where it has no rate",
        ),
        ("[models]\n\"a b\" = { call = 1 }", "r.toml:2:1: models.\"a b\" may have only visible ASCII characters"),
        ("default = { call = 1, refuse = 1 }", "r.toml:1:32: default.refuse must be true or false"),
        ("[models]\na = { call = 1 }\na = { call = 2 }", "r.toml:3:1: duplicate key"),
    ] {
        assert_eq!(faults(text), fault, "{text}");
    }
    let many: String = (0..30).map(|n| format!("m{n} = {{ call = -1 }}\n")).collect();
    let many = faults(&format!("[models]\n{many}"));
    assert!(many.lines().count() == 21 && many.ends_with("r.toml: has 10 more faults"), "{many}");
}

#[test]
fn a_card_has_a_most_of_models_and_of_patterns() {
    let models = |count: usize, star| (0..count).map(move |n| (format!("{star}{n}"), None));
    assert!(Card::new(models(MODELS_MAX, ""), None).is_ok());
    assert_eq!(Card::new(models(MODELS_MAX + 1, ""), None), Err(CardError::Models(MODELS_MAX + 1)));
    assert!(Card::new(models(PATTERNS_MAX, "*"), None).is_ok());
    assert_eq!(Card::new(models(PATTERNS_MAX + 1, "*"), None), Err(CardError::Patterns(PATTERNS_MAX + 1)));
}

/// A few entries in the form of the public list, with its oddities.
const LIST: &str = include_str!("../../tests/samples/model_prices.json");

#[test]
fn a_list_of_prices_in_dollars_becomes_a_card_to_the_last_digit() {
    let imported = import(LIST, Decimal::parse("100").expect("a number"), 4_096).expect("a list");
    let wanted = r#"[models]
"bedrock/*/cohere.command" = { second = 0.19 }
"claude-x" = { input = 300, cached_input = 30, output = 1500, output_tokens = 4096 }
"databricks/odd" = { input = 300.02, output = 5, output_tokens = 2048 }
"free-chat" = { call = 0 }
"gpt-4o" = { input = 250, cached_input = 125, output = 1000, output_tokens = 4096 }
"gpt-image-1" = { input = 500, image = 4.2 }
"o-think" = { call = 0.5, input = 110, output = 440, reasoning = 660, output_tokens = 4096 }
"whisper-1" = { second = 0.01 }
"#;
    assert_eq!(imported.card.to_toml().replace(", output_tokens = 0", ""), wanted);
    assert_eq!((imported.rounded, imported.left_out), (1, [("from some length on", 1)].into()));
    let skipped: Vec<_> = imported.skipped.iter().map(|s| format!("{}: {}", s.model, s.why)).collect();
    assert_eq!(
        skipped,
        [
            "azure/ocr: has no price of a call, a token, an image or a second",
            "negative: its input_cost_per_token, -1.5e-06, is negative; 0 or more is wanted",
            "with space: its name may have only visible ASCII characters",
        ]
    );
    assert_eq!(card(&imported.card.to_toml()), imported.card);
}

#[test]
fn what_is_no_list_of_prices_is_refused() {
    for text in ["", "[]", "{\"a\": 3}", "{\"a\": {\"b\": }}"] {
        let refused = import(text, Decimal::power_of_ten(0), 1).expect_err(text).to_string();
        assert!(refused.starts_with("is not a list of models with prices: "), "{refused}");
    }
}

fn price() -> impl Strategy<Value = Price> {
    prop_oneof![
        Just(Price::ZERO),
        Just(Price::MAX),
        "[0-9]{1,5}\\.[0-9]{1,12}".prop_map(|text| text.parse().expect("a price"))
    ]
}

fn rate() -> impl Strategy<Value = Rate> {
    use proptest::option::of;
    (price(), price(), of(price()), price(), of(price()), (price(), price()), of(0_u64..1_000_000)).prop_map(
        |(call, input, cached_input, output, reasoning, (image, second), output_tokens)| Rate {
            call,
            input,
            cached_input,
            output,
            reasoning,
            image,
            second,
            output_tokens,
        },
    )
}

/// Parts that do not overlap: plain input, cached input, plain output, reasoning, images, millionths of a second.
type Parts = [u64; 6];

fn parts() -> impl Strategy<Value = Parts> {
    let count = || prop_oneof![Just(0), 1_u64..5_000, 1_u64..2_000_000];
    [count(), count(), count(), count(), count(), count()]
}

fn used([plain, cached, output, reasoning, images, second_micros]: Parts) -> Usage {
    Usage {
        input_tokens: plain + cached,
        cached_input_tokens: cached,
        output_tokens: Some(output + reasoning),
        reasoning_tokens: reasoning,
        images,
        second_micros,
    }
}

/// What is paid for each part, in the smallest units that there are: 10^-18 credits.
fn exact(rate: &Rate, parts: Parts) -> [i128; 7] {
    let Rate { call, input, cached_input, output, reasoning, image, second, .. } = rate;
    let units = |price: &Price| i128::try_from(price.units()).expect("it fits");
    let prices = [input, cached_input.as_ref().unwrap_or(input), output, reasoning.as_ref().unwrap_or(output)];
    let [a, b, c, d] = std::array::from_fn(|n| units(prices[n]) * i128::from(parts[n]));
    [
        a,
        b,
        c,
        d,
        units(image) * 1_000_000 * i128::from(parts[4]),
        units(second) * i128::from(parts[5]),
        units(call) * 1_000_000,
    ]
}

const MICRO: i128 = 1_000_000_000_000;

proptest! {
    #[test]
    fn the_sum_of_the_parts_is_the_whole_within_a_micro_credit(rate in rate(), parts in parts()) {
        let exact: i128 = exact(&rate, parts).into_iter().sum();
        match rate.cost(&used(parts)) {
            Ok(cost) => {
                let above = i128::from(cost.micros()) * MICRO - exact;
                prop_assert!((0..MICRO).contains(&above), "{above} above the exact sum");
            }
            Err(why) => prop_assert!(why == Unpriced::TooLarge && exact > i128::from(Credits::MAX.micros()) * MICRO),
        }
    }

    #[test]
    fn two_halves_cost_what_the_whole_costs_within_a_micro_credit(rate in rate(), one in parts(), other in parts()) {
        let rate = Rate { call: Price::ZERO, ..rate };
        let whole = std::array::from_fn(|n| one[n] + other[n]);
        if let (Ok(one), Ok(other), Ok(whole)) = (rate.cost(&used(one)), rate.cost(&used(other)), rate.cost(&used(whole))) {
            prop_assert!((0..=1).contains(&(one.micros() + other.micros() - whole.micros())));
        }
    }

    #[test]
    fn more_of_any_part_never_costs_less(rate in rate(), parts in parts(), part in 0_usize..6, more in 1_u64..1_000_000) {
        let mut larger = parts;
        larger[part] += more;
        if let (Ok(less), Ok(cost)) = (rate.cost(&used(parts)), rate.cost(&used(larger))) {
            prop_assert!(cost >= less);
        }
    }

    #[test]
    fn what_is_affordable_is_paid_for_and_no_token_more(rate in rate(), parts in parts(), within in 0_i64..100_000_000) {
        let within = Credits::from_micros(within).expect("in range");
        let open = Usage { output_tokens: None, reasoning_tokens: 0, ..used(parts) };
        if let (Ok(tokens), Ok(expected)) = (rate.affordable(&open, within), rate.cost(&open)) {
            let with = |tokens| {
                let dearer = Rate { output_tokens: Some(tokens), ..rate };
                dearer.cost(&open).expect("less than what is expected")
            };
            prop_assert!(tokens == 0 || with(tokens) <= within);
            prop_assert!(expected <= within || with(tokens + 1) > within);
        }
    }

    #[test]
    fn a_card_reads_back_as_the_same_version(
        models in proptest::collection::btree_map("[!-~&&[^.]]{1,20}", proptest::option::of(rate()), 0..8),
        default in proptest::option::of(rate()),
    ) {
        let card = Card::new(models, default).expect("a card");
        let again = read(Path::new("r.toml"), &card.to_toml()).expect("it is a card");
        prop_assert_eq!(again.version(), card.version());
        prop_assert_eq!(again, card);
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in ".{0,200}", list in "[ {}\\[\\]\":,a-z0-9.e-]{0,100}") {
        drop(read(Path::new("r.toml"), &text));
        drop(import(&list, Decimal::power_of_ten(2), 10));
    }
}
