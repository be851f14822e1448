//! What every bus guarantees: one list of cases, and every bus runs all of it.

mod cases;
mod cluster_only;
mod driver;
mod flaky;
#[path = "../harness/mod.rs"]
mod harness;
mod random_steps;
mod redis_only;
mod store;

use cases::{
    claims, commits, duplicates, figures, hosts, lanes, letters, poisoned, recovery, replay_runs,
    replays, requeues, retries, routes, streams, stress, trims,
};

macro_rules! tests_on {
    ($bus:ident, $kind:expr, [$($room:ident::$case:ident,)*]) => {
        mod $bus {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$room::$case(crate::store::Store::open($kind)).await;
                }
            )*
        }
    };
}

macro_rules! conformance {
    (any_bus: [$($room:ident::$case:ident,)*]
     several_hosts: [$($room2:ident::$case2:ident,)*]) => {
        // A bus in memory has one host: the second list is not for it.
        tests_on!(memory, crate::store::Kind::Memory, [$($room::$case,)*]);
        tests_on!(sqlite, crate::store::Kind::Sqlite, [$($room::$case,)* $($room2::$case2,)*]);
        tests_on!(redis, crate::store::Kind::Redis, [$($room::$case,)* $($room2::$case2,)*]);
        tests_on!(redis_tls, crate::store::Kind::RedisTls, [$($room::$case,)* $($room2::$case2,)*]);
        tests_on!(cluster, crate::store::Kind::Cluster, [$($room::$case,)* $($room2::$case2,)*]);
        tests_on!(flaky_sqlite, crate::store::Kind::FlakySqlite,
            [$($room::$case,)* $($room2::$case2,)*]);
        tests_on!(flaky_redis, crate::store::Kind::FlakyRedis,
            [$($room::$case,)* $($room2::$case2,)*]);
        tests_on!(flaky_cluster, crate::store::Kind::FlakyCluster,
            [$($room::$case,)* $($room2::$case2,)*]);
    };
}

conformance! {
    any_bus: [
        streams::published_entries_are_read_back_in_order_to_the_byte,
        streams::entries_are_read_in_pages,
        streams::entries_are_published_all_or_none,
        streams::a_group_begins_at_the_first_entry,
        streams::a_group_that_starts_new_begins_after_the_last_entry,
        streams::a_group_that_is_joined_again_keeps_its_place,
        streams::a_group_that_nobody_joined_does_not_exist,
        streams::two_groups_on_one_stream_are_independent,
        streams::one_group_on_two_streams_is_two_groups,
        streams::wait_ends_when_an_entry_is_appended,
        streams::wait_ends_at_once_where_there_are_entries_already,
        streams::wait_ends_where_nothing_comes,
        lanes::a_lane_hands_out_one_entry_at_a_time_and_commit_gives_the_next,
        lanes::a_commit_that_does_not_ask_for_it_leaves_the_next_entry_to_a_fetch,
        lanes::a_busy_lane_holds_back_no_other,
        lanes::a_fetch_gives_no_more_than_it_was_asked_for,
        lanes::many_entries_of_one_millisecond_keep_their_order,
        lanes::every_delivery_has_a_fence_of_its_own_that_grows,
        claims::types_that_the_group_does_not_handle_are_skipped,
        claims::own_outcomes_are_skipped_without_a_look_at_their_data,
        claims::more_skipped_entries_than_a_script_has_room_for_are_acknowledged,
        claims::entries_for_another_group_are_skipped,
        claims::an_event_in_one_field_has_the_lane_of_the_flat_form,
        claims::ids_in_upper_case_are_the_same_lane,
        claims::without_a_plan_the_execution_is_the_lane,
        claims::an_entry_whose_aggregate_cannot_be_read_has_a_lane_of_its_own,
        claims::data_with_bytes_that_are_no_text_still_has_its_lane,
        claims::of_a_field_that_comes_twice_the_last_one_counts,
        commits::a_commit_that_is_sent_twice_changes_nothing,
        commits::a_retry_that_is_sent_twice_uses_one_attempt,
        commits::a_commit_of_another_delivery_is_superseded_and_changes_nothing,
        commits::the_commits_of_a_batch_end_each_on_its_own,
        commits::outputs_go_to_their_streams_in_order,
        commits::a_dead_letter_and_its_failed_event_come_together,
        commits::an_entry_without_an_id_ends_as_one_dead_letter,
        commits::an_entry_of_too_many_fields_is_buried_with_the_first_of_them,
        commits::a_batch_of_no_commits_has_no_answers,
        duplicates::an_event_that_comes_twice_in_a_lane_runs_once,
        duplicates::a_duplicate_that_is_left_to_a_fetch_is_acknowledged_there,
        duplicates::an_event_in_two_lanes_at_once_has_one_outcome,
        duplicates::an_event_in_two_lanes_has_one_outcome_also_within_one_batch,
        duplicates::an_event_that_is_finished_is_acknowledged_when_it_comes_again,
        duplicates::a_duplicate_of_an_event_that_waits_for_its_retry_waits_behind_it,
        duplicates::a_retry_is_not_run_where_its_event_was_finished_in_another_lane,
        duplicates::an_event_that_ended_as_a_dead_letter_is_finished,
        duplicates::entries_with_an_unreadable_id_are_no_duplicates_of_each_other,
        duplicates::an_event_id_is_forgotten_some_time_after_the_window,
        retries::a_retry_keeps_its_place_and_history_and_raises_the_attempt,
        retries::other_lanes_go_on_while_one_waits_for_its_retry,
        retries::a_retry_comes_when_its_delay_is_over_and_not_before,
        retries::the_next_due_retry_is_the_soonest,
        retries::a_release_gives_the_entry_back_at_once_and_uses_no_attempt,
        retries::a_delay_beyond_all_bounds_is_a_long_one,
        recovery::recover_finds_exactly_what_is_not_held,
        recovery::recover_finds_the_next_entry_of_a_lost_commit,
        recovery::recover_finds_entries_that_cannot_be_read,
        recovery::calls_may_be_dropped_at_any_time,
        poisoned::later_entries_pass_a_head_that_waits_aside,
        poisoned::a_head_that_waits_aside_is_first_again_when_it_is_due,
        poisoned::a_new_entry_passes_what_waits_aside,
        poisoned::two_entries_of_a_lane_never_run_at_once_though_one_waited_aside,
        poisoned::a_stopped_lane_hands_out_nothing_until_it_is_released,
        poisoned::a_stopped_lane_does_not_count_towards_the_parked_limit,
        poisoned::a_stopped_lane_without_entries_is_free_when_it_is_released,
        poisoned::a_waiting_head_is_run_at_once_where_an_operator_says_so,
        poisoned::a_waiting_head_can_be_claimed_and_ended,
        poisoned::steps_that_do_not_fit_the_lane_change_nothing,
        poisoned::lanes_are_listed_with_what_keeps_them,
        figures::a_group_that_does_not_exist_has_figures_too,
        figures::the_figures_of_a_group_are_right,
        figures::dead_letters_come_in_pages,
        figures::reading_stops_while_too_much_waits_and_goes_on_after,
        requeues::a_requeued_event_runs_once_however_often_it_is_requeued,
        requeues::a_late_copy_does_not_run_in_the_place_of_the_requeued_event,
        requeues::the_hosts_records_are_cleared_whatever_window_the_caller_knows_of,
        requeues::a_requeue_tells_the_new_entry_and_its_generation,
        requeues::a_requeued_event_takes_the_end_of_its_lane,
        requeues::an_event_that_fails_again_is_a_letter_of_the_next_generation,
        requeues::only_the_requeued_event_is_forgotten_as_finished,
        requeues::a_requeued_entry_has_the_fields_of_its_letter_to_the_byte,
        requeues::fields_that_say_who_takes_it_and_when_are_written_anew,
        requeues::an_event_in_one_field_runs_again_too,
        requeues::a_requeued_event_is_for_its_group_alone,
        requeues::an_entry_without_an_id_is_requeued_too,
        requeues::a_letter_that_cannot_run_again_is_refused_and_says_why,
        letters::a_purged_letter_is_gone_and_written_down_once,
        letters::the_records_of_purged_letters_are_the_newest_ones,
        letters::large_letters_come_in_several_pages_each_once,
        trims::what_is_in_work_parked_waiting_or_unread_is_not_trimmed,
        trims::a_second_group_that_is_behind_holds_back_what_the_first_has_finished,
        trims::nothing_is_trimmed_while_a_configured_group_does_not_exist,
        trims::a_stream_without_a_group_is_not_trimmed,
        trims::the_bound_that_was_asked_for_is_kept,
        trims::a_dry_run_changes_nothing_and_says_what_the_real_one_does,
        trims::after_everything_is_trimmed_groups_go_on_where_they_were,
        trims::dead_letters_are_not_trimmed,
        trims::what_waits_aside_or_in_a_stopped_lane_is_not_trimmed,
        replay_runs::two_that_go_on_with_one_run_replay_each_event_once_and_in_order,
        replay_runs::a_run_ends_at_its_limit,
        replays::the_last_id_of_a_stream_is_its_last_entrys,
        replays::a_replay_appends_its_events_in_order_and_moves_its_cursor,
        replays::a_run_that_is_begun_again_keeps_its_record,
        replays::a_step_that_is_sent_again_appends_nothing,
        replays::a_step_from_a_cursor_that_has_moved_changes_nothing,
        replays::two_callers_of_one_run_append_each_event_once,
        replays::a_run_that_nobody_began_takes_no_step,
        replays::a_step_that_a_stream_cannot_take_changes_nothing,
        replays::a_step_with_nothing_to_append_moves_the_cursor,
        replays::every_stream_has_its_own_runs_and_the_last_that_moved_is_last,
        replays::a_replay_leaves_a_groups_books_alone,
    ]
    several_hosts: [
        hosts::a_lane_is_one_hosts_at_a_time,
        hosts::a_retry_goes_to_any_host_with_its_history,
        hosts::a_host_that_leaves_frees_its_entries_with_no_attempt_used,
        hosts::a_host_whose_lease_ended_loses_its_entries_and_their_attempt,
        hosts::a_run_that_is_lost_alone_is_told_from_one_in_company,
        hosts::a_host_that_is_there_after_all_gives_back_the_attempt,
        hosts::a_heartbeat_tells_when_the_next_lease_ends_and_whether_a_lane_waits,
        hosts::nobody_is_given_up_where_the_whole_group_was_silent,
        hosts::a_host_that_does_not_come_back_with_the_bus_is_given_up,
        hosts::a_host_that_is_heard_of_keeps_what_it_holds,
        retries::a_host_is_lost_after_a_failure_that_left_no_history,
        hosts::only_hosts_with_a_running_lease_are_counted,
        hosts::a_host_that_joins_again_under_its_name_recovers_what_it_held,
        hosts::wait_ends_when_another_host_appends,
        hosts::many_hosts_may_open_one_bus_at_once,
        routes::a_host_with_other_routes_than_a_running_one_is_refused,
        routes::where_no_other_host_is_alive_the_routes_are_the_newcomers,
        routes::a_host_whose_lease_ended_no_longer_refuses_others,
        routes::routes_on_one_stream_say_nothing_of_another_group,
        trims::what_a_dead_host_held_is_not_trimmed,
        stress::many_hosts_keep_every_lane_in_order_and_every_event_once,
        stress::hosts_that_die_lose_no_event_and_no_order,
    ]
}
