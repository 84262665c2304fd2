//! The suite of [`Bus`].

use sockeye_core::{
    ports::{Bus, BusEvent, BusSubscription, Received},
    session::SessionId,
};

use super::{
    Fixture, poll_once,
    values::{time, user_id},
};

/// Tests of a [`Bus`]; give an expression that makes a [`Fixture`].
#[macro_export]
macro_rules! bus_suite {
    ($fixture:expr) => {
        $crate::conformance_checks!(
            [$crate::conformance::bus],
            $fixture,
            [
                every_subscriber_gets_every_kind_of_event,
                only_what_is_published_after_subscribing_arrives,
                one_callers_events_keep_their_order,
                publishing_to_nobody_is_no_error,
                a_slow_subscriber_holds_up_nobody_and_is_told_what_it_lost,
                a_cancelled_wait_loses_nothing,
            ]
        );
    };
}

type AnyBus = dyn Bus;

pub async fn every_subscriber_gets_every_kind_of_event(fixture: &impl Fixture<AnyBus>) {
    let bus = fixture.open().await;
    let mut subscribers =
        [bus.subscribe().await.expect("subscribe"), bus.subscribe().await.expect("subscribe")];
    let all_of_one = BusEvent::SessionsEnded { user: user_id(3), through: time(5) };
    let events = [BusEvent::PresenceChanged, numbered(7), all_of_one, numbered(u128::MAX)];
    for event in &events {
        bus.publish(event.clone()).await.expect("publish");
    }
    for subscriber in &mut subscribers {
        for event in &events {
            assert_eq!(subscriber.next().await.expect("next"), Received::Event(event.clone()));
        }
    }
}

pub async fn only_what_is_published_after_subscribing_arrives(fixture: &impl Fixture<AnyBus>) {
    let bus = fixture.open().await;
    bus.publish(numbered(1)).await.expect("publish");
    let mut subscriber = bus.subscribe().await.expect("subscribe");
    bus.publish(numbered(2)).await.expect("publish");
    assert_eq!(subscriber.next().await.expect("next"), Received::Event(numbered(2)));
}

pub async fn one_callers_events_keep_their_order(fixture: &impl Fixture<AnyBus>) {
    let bus = fixture.open().await;
    let mut subscriber = bus.subscribe().await.expect("subscribe");
    let publisher = tokio::spawn(async move {
        for number in 1..=500 {
            bus.publish(numbered(number)).await.expect("publish");
        }
        bus
    });
    follow(&mut *subscriber, 500).await;
    publisher.await.expect("the publisher");
}

pub async fn publishing_to_nobody_is_no_error(fixture: &impl Fixture<AnyBus>) {
    let bus = fixture.open().await;
    bus.publish(BusEvent::PresenceChanged).await.expect("publish");
    drop(bus.subscribe().await.expect("subscribe"));
    bus.publish(BusEvent::PresenceChanged).await.expect("publish");
}

pub async fn a_slow_subscriber_holds_up_nobody_and_is_told_what_it_lost(fixture: &impl Fixture<AnyBus>) {
    let bus = fixture.open().await;
    let mut slow = bus.subscribe().await.expect("subscribe");
    // Nobody reads meanwhile: a bus that waited for receivers would wait here for ever.
    for number in 1..=50_000 {
        bus.publish(numbered(number)).await.expect("publish");
    }
    follow(&mut *slow, 50_000).await;
}

pub async fn a_cancelled_wait_loses_nothing(fixture: &impl Fixture<AnyBus>) {
    let bus = fixture.open().await;
    let mut subscriber = bus.subscribe().await.expect("subscribe");
    for number in 1..=20 {
        assert!(poll_once(subscriber.next()).await.is_none());
        bus.publish(numbered(number)).await.expect("publish");
        assert_eq!(subscriber.next().await.expect("next"), Received::Event(numbered(number)));
    }
}

/// Reads until event `last`: numbers rise, and where some are missing it was said.
async fn follow(subscriber: &mut dyn BusSubscription, last: u128) {
    let (mut expected, mut lost) = (1, false);
    while expected <= last {
        match subscriber.next().await.expect("next") {
            Received::Lagged => lost = true,
            Received::Event(BusEvent::SessionEnded(SessionId(bytes))) => {
                let number = u128::from_be_bytes(bytes);
                assert!(
                    number == expected || (lost && number > expected),
                    "{number} came, {expected} was due"
                );
                (expected, lost) = (number + 1, false);
            }
            Received::Event(event) => panic!("{event:?} came, which nobody published"),
        }
    }
}

fn numbered(number: u128) -> BusEvent {
    BusEvent::SessionEnded(SessionId(number.to_be_bytes()))
}
