use super::*;

/// A conversation in which all of `sent` was acknowledged, with these receipts.
fn conversation(sent: u32, receipts: &[u32]) -> Conversation {
    let id = |seq: u32| Some(format!("id{seq}").into_boxed_str());
    Conversation {
        sent: (0..sent).map(|_| Sent { intended_us: 0, started_us: 0 }).collect(),
        acks: (0..sent).map(|seq| Ack { seq, at_us: 1, outcome: Ok(id(seq)) }).collect(),
        receipts: receipts.iter().map(|&seq| Receipt { seq, at_us: 1, id: id(seq) }).collect(),
        history: None,
    }
}

fn verdict(conversation: Conversation) -> (Counts, Vec<(&'static str, u64)>) {
    let mut errors = Tally::default();
    let counts = judge(&[conversation], &mut errors);
    assert_eq!(errors.total, errors.by_kind.values().sum::<u64>());
    (counts, errors.by_kind.into_iter().collect())
}

#[test]
fn a_clean_run_has_no_errors() {
    let mut clean = conversation(3, &[0, 1, 2]);
    clean.history = Some(vec![0, 1, 2]);
    let counts = Counts { sent: 3, acknowledged: 3, received: 3, in_history: 3 };
    assert_eq!(verdict(clean), (counts, vec![]));
}

#[test]
fn an_acknowledged_message_nobody_got_is_missing() {
    let (counts, errors) = verdict(conversation(4, &[0, 2]));
    assert_eq!((counts.acknowledged, counts.received), (4, 2));
    assert_eq!(errors, [("missing", 2)]);
}

#[test]
fn a_second_copy_is_doubled_and_not_also_reordered() {
    assert_eq!(verdict(conversation(3, &[0, 1, 2, 1])).1, [("doubled", 1)]);
}

#[test]
fn an_overtaken_message_is_reordered() {
    assert_eq!(verdict(conversation(4, &[0, 2, 3, 1])).1, [("reordered", 1)]);
}

#[test]
fn a_message_nobody_sent_is_told() {
    assert_eq!(verdict(conversation(1, &[0, 7])).1, [("unsent", 1)]);
}

#[test]
fn an_unanswered_message_is_an_error_but_not_missing() {
    let mut unanswered = conversation(2, &[0]);
    unanswered.acks.pop();
    let (counts, errors) = verdict(unanswered);
    assert_eq!(counts.acknowledged, 1);
    assert_eq!(errors, [("never acknowledged", 1)]);
}

#[test]
fn a_refusal_is_an_error_and_excuses_the_receipt() {
    let mut refused = conversation(2, &[0]);
    refused.acks[1].outcome = Err("busy".to_owned());
    assert_eq!(verdict(refused).1, [("refused", 1)]);
}

#[test]
fn acks_are_held_to_order_and_number() {
    let mut odd = conversation(3, &[0, 1, 2]);
    odd.acks.swap(0, 1);
    odd.acks.push(odd.acks[0].clone());
    odd.acks.push(Ack { seq: 9, at_us: 1, outcome: Ok(None) });
    assert_eq!(
        verdict(odd).1,
        [("ack of nothing sent", 1), ("acknowledged twice", 1), ("acks reordered", 1)]
    );
}

#[test]
fn ids_agree_between_ack_and_receipt() {
    let mut odd = conversation(2, &[0, 1]);
    odd.receipts[1].id = Some("id0".into());
    assert_eq!(verdict(odd).1, [("id used twice", 1), ("two ids for one message", 1)]);
}

#[test]
fn history_is_held_to_the_same() {
    let mut odd = conversation(4, &[0, 1, 2, 3]);
    odd.history = Some(vec![1, 0, 0, 3]);
    let expected = [("doubled in history", 1), ("missing in history", 1), ("reordered in history", 1)];
    assert_eq!(verdict(odd).1, expected);
}
