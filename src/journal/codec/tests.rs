//! Whether entries read back as they were written, and other bytes are refused.

use proptest::prelude::*;
use smallvec::smallvec;

use super::*;

fn credits() -> impl Strategy<Value = Credits> {
    (0..=Credits::MAX.micros()).prop_map(|micros| Credits::from_micros(micros).expect("in range"))
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0..=Timestamp::MAX.millis()).prop_map(|millis| Timestamp::from_millis(millis).expect("in range"))
}

fn set() -> impl Strategy<Value = Set> {
    (credits(), time()).prop_map(|(credits, expires_at)| Set { credits, expires_at })
}

fn tally() -> impl Strategy<Value = Tally> {
    (credits(), credits(), credits()).prop_map(|(a, b, held)| Tally { spent: a.max(b), refunded: a.min(b), held })
}

fn fact() -> impl Strategy<Value = Fact> {
    let model = || proptest::option::of("[!--/-~][!-~]{0,127}".prop_map(|text| Model::new(&text).expect("visible")));
    prop_oneof![
        (credits(), model(), any::<u64>()).prop_map(|(credits, model, content)| Fact::Debited {
            credits,
            model,
            content
        }),
        (credits(), time(), model(), any::<u64>()).prop_map(|(credits, expires_at, model, content)| Fact::Held {
            credits,
            expires_at,
            model,
            content
        }),
        time().prop_map(|expires_at| Fact::Extended { expires_at }),
        (credits(), credits(), credits(), any::<bool>()).prop_map(|(charged, returned, debt, late)| Fact::Settled {
            charged,
            returned,
            debt,
            late
        }),
        credits().prop_map(|returned| Fact::Released { returned }),
        credits().prop_map(|returned| Fact::Expired { returned }),
        ("[!--/-~][!-~]{0,127}", credits(), any::<u64>()).prop_map(|(debit, credits, content)| Fact::Refunded {
            debit: OperationId::new(&debit).expect("visible"),
            credits,
            content
        }),
        (credits(), any::<bool>()).prop_map(|(credits, reused)| Fact::Voided { credits, reused }),
        asked().prop_map(|end| Fact::EndAsked { end }),
    ]
}

fn asked() -> impl Strategy<Value = AskedEnd> {
    let part = ("[!--/-~][!-~]{0,127}", credits());
    prop_oneof![
        credits().prop_map(|credits| AskedEnd::Settle { credits }),
        Just(AskedEnd::Release),
        time().prop_map(|expires_at| AskedEnd::Extend { expires_at }),
        proptest::option::of(part).prop_map(|part| AskedEnd::Refund {
            part: part.map(|(id, credits)| (OperationId::new(&id).expect("visible"), credits)),
        }),
    ]
}

fn posting() -> impl Strategy<Value = Posting> {
    use proptest::option::of;
    (time(), credits(), credits(), of(set()), of(set()), tally(), of(tally())).prop_map(
        |(window, spent, refunded, held, unheld, account, member)| Posting {
            window,
            spent,
            refunded,
            held,
            unheld,
            account,
            member,
        },
    )
}

fn entry() -> impl Strategy<Value = Entry> {
    let names =
        ("[!--/-~][!-~]{0,127}", proptest::option::of("[a-z@:-][a-z.@:-]{0,127}"), "[A-Z0-9_]{1,128}", "[a-z]{1,128}");
    let rates = proptest::option::of(any::<u64>().prop_map(RateVersion::from_bits));
    (time(), names, any::<bool>(), (fact(), rates), posting(), proptest::option::of(posting())).prop_map(
        |(at, (id, team, member, subscription), pool, (fact, rates), first, second)| {
            let mut postings: SmallVec<[Posting; 1]> = smallvec![first];
            postings.extend(second);
            let drawer = Drawer {
                team: team.map(|team| TeamId::new(&team).expect("a name")),
                member: UserId::new(&member).expect("a name"),
                payer: if pool { Payer::Pool } else { Payer::Wallet },
                subscription: SubscriptionId::new(&subscription).expect("a name"),
            };
            let id = OperationId::new(&id).expect("visible");
            Entry { at, id, drawer, fact, rates, postings }
        },
    )
}

proptest! {
    #[test]
    fn an_entry_reads_back_as_it_was_written(entry in entry()) {
        let mut place = [0xa5; ENTRY_BYTES_MAX];
        let length = encode(entry.view(), &mut place);
        let Drawer { team, member, subscription, .. } = &entry.drawer;
        let scope = team.as_ref().map_or(member.as_bytes(), TeamId::as_bytes);
        let outlined = Outline { at: entry.at, scope, subscription: subscription.as_bytes() };
        prop_assert_eq!(outline(&place[..length]), Ok(outlined));
        prop_assert_eq!(decode(&place[..length]), Ok(entry));
    }

    #[test]
    fn an_entry_without_a_rate_card_has_the_bytes_that_it_always_had(entry in entry(), bits in any::<u64>()) {
        let bytes = |rates| {
            let mut place = [0; ENTRY_BYTES_MAX];
            let length = encode(Entry { rates, ..entry.clone() }.view(), &mut place);
            place[..length].to_vec()
        };
        let (without, with) = (bytes(None), bytes(Some(RateVersion::from_bits(bits))));
        prop_assert_eq!((without[1] & HAS_RATES, with[1]), (0, without[1] | HAS_RATES));
        prop_assert_eq!(with.len(), without.len() + 8);
        prop_assert_eq!(decode(&without), Ok(Entry { rates: None, ..entry }));
    }

    #[test]
    fn an_entry_that_is_cut_or_longer_is_refused(entry in entry(), cut in 0.0..1.0) {
        let mut place = [0; ENTRY_BYTES_MAX];
        let whole = encode(entry.view(), &mut place);
        let mut bytes = place[..whole].to_vec();
        let length = (bytes.len() as f64 * cut) as usize;
        prop_assert!(decode(&bytes[..length]).is_err());
        bytes.push(0);
        prop_assert_eq!(decode(&bytes), Err(CodecError::Long));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(decode(&bytes));
    }
}

/// An entry of each kind, all of whose numbers take several bytes or none.
fn one_of_each() -> Vec<Entry> {
    let credits = |micros| Credits::from_micros(micros).expect("in range");
    let time = |millis| Timestamp::from_millis(millis).expect("in range");
    let id = |text| OperationId::new(text).expect("visible");
    let tally =
        |spent, refunded, held| Tally { spent: credits(spent), refunded: credits(refunded), held: credits(held) };
    let (model, until, content) = (Model::new("vendor/model:free").ok(), time(1_795_000_060_000), u64::MAX - 1);
    let part = Some((id("refund-1"), credits(300)));
    let facts = vec![
        Fact::Debited { credits: credits(1_250_000), model: model.clone(), content },
        Fact::Held { credits: Credits::MAX, expires_at: until, model, content },
        Fact::Extended { expires_at: until },
        Fact::Settled { charged: credits(128), returned: credits(127), debt: Credits::ZERO, late: true },
        Fact::Released { returned: credits(16_384) },
        Fact::Expired { returned: credits(16_383) },
        Fact::Refunded { debit: id("debit-1"), credits: credits(2_097_152), content },
        Fact::Voided { credits: credits(9), reused: true },
        Fact::EndAsked { end: AskedEnd::Settle { credits: credits(400) } },
        Fact::EndAsked { end: AskedEnd::Release },
        Fact::EndAsked { end: AskedEnd::Extend { expires_at: until } },
        Fact::EndAsked { end: AskedEnd::Refund { part } },
    ];
    let drawer = Drawer {
        team: TeamId::new("acme").ok(),
        member: UserId::new("ana").expect("a name"),
        payer: Payer::Pool,
        subscription: SubscriptionId::new("sub-1").expect("a name"),
    };
    let set = Some(Set { credits: credits(500), expires_at: until });
    let posting = Posting {
        spent: credits(1_000),
        held: set,
        account: tally(70_000, 5_000, 600),
        member: Some(tally(60_000, 0, 500)),
        ..Posting::new(time(1_793_000_000_000))
    };
    let other = Posting { refunded: credits(200), unheld: set, member: None, ..posting };
    let rates = Some(RateVersion::from_bits(7));
    let entry = |(n, fact)| Entry {
        at: time(1_795_000_000_000 + n as i64),
        id: id("operation-1"),
        drawer: drawer.clone(),
        fact,
        rates: rates.filter(|_| n % 2 == 0),
        postings: smallvec![posting, other],
    };
    facts.into_iter().enumerate().map(entry).collect()
}

#[test]
fn entries_of_earlier_versions_are_read() {
    let written = include_str!("../../../tests/samples/entries-leb128.hex").lines();
    let bytes = |line: &str| (0..line.len()).step_by(2).map(|at| u8::from_str_radix(&line[at..at + 2], 16)).collect();
    let read = |line| decode(&Result::<Vec<_>, _>::expect(bytes(line), "hexadecimal")).expect("is an entry");
    assert_eq!(written.map(read).collect::<Vec<_>>(), one_of_each());
}

#[test]
fn a_number_that_no_entry_has_is_refused() {
    let long = [RELEASED, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80];
    let negative = [RELEASED, IS_WIDE, 0, 0, 0, 0, 0, 0, 0, 0x80];
    let late = [RELEASED, IS_WIDE, 0, 0, 0, 0, 0, 0, 0, 0x7f];
    assert_eq!(decode(&long), Err(CodecError::Bad("number")));
    assert_eq!(decode(&negative), Err(CodecError::Bad("number")));
    assert_eq!(decode(&late), Err(CodecError::Bad("time")));
}
