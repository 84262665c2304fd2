//! The suites of the [`sockeye_core::ports::Store`].

pub mod messages;
pub mod sessions;
pub mod users;

use sockeye_core::{
    message::Entry,
    ports::{Store, StoreError},
};

/// Tests of a [`sockeye_core::ports::Store`]; give an expression that makes a [`super::Fixture`].
#[macro_export]
macro_rules! store_suite {
    ($fixture:expr) => {
        mod users {
            use super::*;
            $crate::conformance_checks!(
                [$crate::conformance::store::users],
                $fixture,
                [
                    a_user_is_found_by_id_and_address,
                    accounts_are_found_many_at_a_time,
                    a_users_sessions_end_through_a_time_that_never_goes_back,
                    addresses_are_compared_byte_for_byte,
                    an_address_is_taken_once_however_many_ask,
                    a_picture_is_changed_and_nothing_else,
                    people_come_in_the_order_in_which_they_signed_up,
                    people_come_in_pages,
                    partners_come_latest_exchange_first,
                    people_end_at_a_number_of_bytes,
                    users_survive_a_restart,
                    a_password_hash_is_replaced_only_when_it_is_the_one_meant,
                    some_password_hashes_are_of_the_oldest_and_the_newest,
                ]
            );
        }
        mod messages {
            use super::*;
            $crate::conformance_checks!(
                [$crate::conformance::store::messages],
                $fixture,
                [
                    a_stored_message_is_found_as_it_was,
                    a_message_is_stored_once_and_stays_as_it_was,
                    history_is_in_log_order,
                    history_comes_in_pages_from_the_latest_on,
                    a_page_of_history_ends_at_a_number_of_bytes,
                    history_is_of_one_conversation,
                    the_inbox_has_the_members_entries_in_log_order,
                    the_inbox_starts_after_the_cursor_in_each_partition,
                    the_inbox_is_bounded,
                    waiting_ends_when_all_positions_are_stored,
                    a_batch_is_visible_as_a_whole,
                    messages_survive_a_restart,
                ]
            );
        }
        mod sessions {
            use super::*;
            $crate::conformance_checks!(
                [$crate::conformance::store::sessions],
                $fixture,
                [
                    an_ended_session_is_remembered,
                    ended_sessions_are_found_many_at_a_time,
                    a_session_may_be_ended_again,
                    ended_sessions_survive_a_restart,
                    an_unknown_group_is_none,
                ]
            );
        }
    };
}

/// Stores entries as the worker does: through the last of them.
async fn store_all(store: &dyn Store, entries: &[Entry]) -> Result<(), StoreError> {
    let through = entries.iter().map(|entry| entry.position).collect();
    store.store_batch(entries, &through).await
}
