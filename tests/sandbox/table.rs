//! Every guest and what tests it. A guest that is not here does not compile.

use hothouse::sandbox::LimitsPatch;

use super::guest::{Setup, limited};

/// Hands the table to a macro. A row is a guest, and what it must get for what it does:
///
/// ```text
/// Guest {
///     name_of_the_test: World(setup) => ErrorType, "part of the message";
///     [module::of_another_test];
/// }
/// ```
macro_rules! guest_table {
    ($macro:ident) => {
        $macro! {
            AliasedStrings {
                one_string_a_hundred_thousand_times_is_an_output_limit:
                    Analyzer(usual()) => OutputLimit, "1048576 bytes";
            }
            AllocateForever {
                memory_without_end_is_a_memory_limit:
                    Agent(usual()) => MemoryLimit, "67108864 bytes of memory";
            }
            AsksForRetry {
                asking_for_a_retry_is_a_retryable_error:
                    Agent(usual()) => RetryableError, "attempt 1 is too early";
                [simple::a_handler_sees_the_number_of_its_attempt];
            }
            BrokenValues {
                a_result_of_no_case_is_a_contract_violation:
                    Agent(attempt(1)) => ContractViolation, "cannot read";
                a_result_outside_of_memory_is_a_contract_violation:
                    Agent(attempt(2)) => ContractViolation, "cannot read";
                a_result_that_is_not_aligned_is_a_contract_violation:
                    Agent(attempt(3)) => ContractViolation, "cannot read";
                an_output_outside_of_memory_is_a_contract_violation:
                    Agent(attempt(4)) => ContractViolation, "cannot read";
                an_output_that_ends_outside_of_memory_is_a_contract_violation:
                    Agent(attempt(5)) => ContractViolation, "cannot read";
                a_log_line_of_no_level_is_a_contract_violation:
                    Agent(attempt(6)) => ContractViolation, "cannot read";
                a_log_line_outside_of_memory_is_a_contract_violation:
                    Agent(attempt(7)) => ContractViolation, "cannot read";
                a_log_line_that_is_not_unicode_is_a_contract_violation:
                    Agent(attempt(8)) => ContractViolation, "not Unicode";
            }
            ControlCharacters {
                [hostile::a_message_with_control_characters_is_cleaned_and_cut];
            }
            DiesWhileWriting {
                dying_in_the_middle_of_a_line_is_a_trap:
                    Agent(usual()) => Trap, "half a reason, and then";
                [files::what_a_guest_wrote_before_it_died_stays_and_the_next_run_is_as_usual];
            }
            DirtiesMemory {
                [isolation::no_run_sees_a_byte_of_an_earlier_one];
            }
            Echo {
                [simple::a_handler_emits_what_its_manifest_lists];
                [simple::an_emitted_event_must_meet_its_contract_and_leave_our_object_alone];
                [loading::a_component_of_another_world_is_refused_with_what_it_exports];
            }
            EmitsUndeclared {
                an_event_that_the_manifest_does_not_list_is_a_contract_violation:
                    Handler(usual()) => ContractViolation, "does not list under `emits`";
            }
            EscapesMounts {
                [files::nothing_outside_of_a_mount_is_reached];
                [files::a_mount_for_reading_is_not_written_to];
                [files::a_link_that_a_guest_makes_leads_nowhere];
            }
            Exits {
                an_exit_with_success_is_a_trap:
                    Agent(given(json!({"status": 0}))) => Trap, "exited with code 0";
                an_exit_with_another_code_is_a_trap:
                    Agent(given(json!({"status": 3}))) => Trap, "exited with code 1";
            }
            FillsMemory {
                bulk_memory_without_end_is_out_of_fuel:
                    Agent(usual()) => OutOfFuel, "1000000000 units of fuel";
            }
            GiantOutput {
                an_output_of_100_megabytes_is_an_output_limit:
                    Agent(memory(256 << 20)) => OutputLimit, "1048576 bytes";
                an_output_of_100_megabytes_is_a_memory_limit_where_memory_has_less:
                    Agent(usual()) => MemoryLimit, "67108864 bytes of memory";
            }
            GiantString {
                a_log_line_of_60_mebibytes_is_an_output_limit:
                    Agent(usual()) => OutputLimit, "host_call_bytes";
            }
            GivesUp {
                giving_up_is_the_handlers_own_permanent_error:
                    Agent(usual()) => PermanentError, "the API contract cannot be parsed";
            }
            GrowsTwoMemories {
                memories_that_are_too_large_together_are_a_memory_limit:
                    Agent(usual()) => MemoryLimit, "67108864 bytes of memory";
            }
            HoardsRequests {
                [network::what_a_guest_passes_for_requests_is_an_output_limit_in_all];
                [network::each_byte_of_a_request_that_is_passed_given_or_copied_costs_fuel];
                [network::a_guest_that_only_reads_its_request_is_out_of_fuel];
            }
            HoldsRequests {
                [network::the_connections_of_a_run_are_few_at_a_time_and_end_with_it];
                [network::a_run_that_leaves_its_requests_behind_leaves_no_connection];
            }
            HostCalls {
                [limits::what_a_call_passes_and_what_all_of_them_pass_is_bounded];
                [limits::random_bytes_are_bounded_in_one_call_and_in_all];
                [limits::handles_are_bounded_held_or_lent_and_those_let_go_do_not_count];
                [limits::calls_and_their_bytes_are_charged_and_the_same_run_costs_the_same];
                [limits::a_guest_that_only_calls_the_host_runs_out_of_fuel];
                [limits::the_time_limit_holds_for_a_guest_that_does_little_but_call_the_host];
                [limits::a_pipe_or_a_device_in_a_mount_is_not_opened];
            }
            HotSpot {
                [instruments::a_profile_has_the_hot_function_on_top_and_where_it_was_called];
            }
            HugeOutput {
                a_huge_result_is_an_output_limit:
                    Agent(usual()) => OutputLimit, "1048576 bytes";
            }
            HugeTable {
                [loading::more_memories_or_tables_than_the_pool_has_are_refused];
            }
            ImportsBackdoor {
                [loading::an_import_that_nobody_grants_is_refused_by_its_name];
            }
            InvalidUtf8 {
                a_result_that_is_not_unicode_is_a_contract_violation:
                    Agent(usual()) => ContractViolation, "not Unicode";
            }
            LeaksHandles {
                handles_without_end_are_a_memory_limit:
                    Agent(usual()) => MemoryLimit, "256 handles";
            }
            LiesAboutOutput {
                a_result_that_is_no_object_is_a_contract_violation:
                    Agent(usual()) => ContractViolation, "not a JSON object";
            }
            ListsRepository {
                [files::a_mount_whose_path_has_a_link_in_it_is_not_mounted];
            }
            LogFlood {
                [simple::a_flood_of_log_lines_is_cut_and_counted_and_the_run_goes_on];
            }
            LogsForever {
                logging_without_end_is_out_of_fuel:
                    Agent(usual()) => OutOfFuel, "1000000000 units of fuel";
            }
            LoopForever {
                a_loop_without_end_is_out_of_fuel:
                    Agent(usual()) => OutOfFuel, "1000000000 units of fuel";
                a_loop_without_end_with_fuel_without_end_is_a_timeout:
                    Agent(limited(LimitsPatch {
                        fuel: Some(u64::MAX), timeout_ms: Some(200), ..LimitsPatch::default()
                    })) => Timeout, "200ms";
                [hostile::a_failed_run_says_what_it_cost];
                [fairness::good_runs_end_while_hostile_ones_hold_all_that_they_can];
            }
            LoopsAfterReturn {
                a_loop_after_the_result_is_out_of_fuel:
                    Agent(usual()) => OutOfFuel, "1000000000 units of fuel";
            }
            LoopsAtStart {
                a_loop_before_the_call_is_out_of_fuel:
                    Agent(usual()) => OutOfFuel, "1000000000 units of fuel";
            }
            ManyMemories {
                [loading::more_memories_or_tables_than_the_pool_has_are_refused];
            }
            Panics {
                a_panic_is_a_trap_with_its_message:
                    Agent(usual()) => Trap, "order 42 has no lines";
            }
            PollsForever {
                waiting_for_what_never_happens_is_a_timeout:
                    Agent(Setup {
                        input_data: json!({"blocked": true}), ..timeout_ms(200)
                    }) => Timeout, "200ms";
                asking_without_end_is_out_of_fuel:
                    Agent(usual()) => OutOfFuel, "1000000000 units of fuel";
            }
            RandomFlood {
                random_bytes_without_end_are_an_output_limit:
                    Agent(given(json!({"bytes": 1000}))) => OutputLimit, "random_bytes";
                more_random_bytes_at_once_than_there_are_is_an_output_limit:
                    Agent(given(json!({"bytes": 1_u64 << 40}))) => OutputLimit, "random_bytes";
            }
            ReadsEnvironment {
                [simple::a_guest_sees_of_the_environment_what_it_is_granted];
            }
            RecurseForever {
                a_recursion_without_end_is_a_stack_overflow:
                    Agent(usual()) => StackOverflow, "stack";
            }
            RejectsInput {
                a_rejected_input_is_the_handlers_own_validation_error:
                    Agent(usual()) => ValidationError, "files_to_modify is empty";
                a_component_that_needs_more_memory_than_its_limit_is_a_memory_limit:
                    Agent(memory(1 << 16)) => MemoryLimit, "65536 bytes";
            }
            ReturnsLate {
                a_result_after_the_deadline_is_a_timeout:
                    Agent(Setup { input_data: json!({"busy_ms": 60}), ..timeout_ms(50) })
                    => Timeout, "50ms";
            }
            RiskOutOfRange {
                a_risk_out_of_range_is_a_contract_violation:
                    Analyzer(usual()) => ContractViolation, "risk_score is 7";
            }
            ScansForSecrets {
                [isolation::no_run_sees_a_byte_of_an_earlier_one];
                [isolation::a_secret_that_is_there_is_found];
            }
            SendsRequest {
                [network::a_request_to_a_granted_origin_is_answered];
                [network::a_component_that_imports_http_is_refused_where_it_has_no_origins];
            }
            SleepForever {
                a_sleep_without_end_is_a_timeout: Agent(timeout_ms(200)) => Timeout, "200ms";
            }
            SlowEchoAgent {
                [simple::an_agent_gets_its_input_and_its_output_comes_back];
                [hostile::a_result_just_over_its_limit_is_an_output_limit];
            }
            TableBomb {
                a_table_without_end_is_a_memory_limit:
                    Agent(usual()) => MemoryLimit, "a table of more than 20000 elements";
                tables_count_as_memory:
                    Agent(memory(128 << 10)) => MemoryLimit, "131072 bytes of memory";
            }
            UsesGrants {
                [files::what_is_granted_to_write_is_written_and_variables_are_those_that_are_granted];
            }
            WritesToRepository {
                [files::a_repository_can_be_read_and_nothing_else_and_not_written];
            }
        }
    };
}
pub(crate) use guest_table;

pub(crate) fn usual() -> Setup {
    Setup::default()
}

pub(crate) fn attempt(attempt: u32) -> Setup {
    Setup {
        attempt,
        ..Setup::default()
    }
}

pub(crate) fn memory(bytes: usize) -> Setup {
    limited(LimitsPatch {
        memory_bytes: Some(bytes),
        ..LimitsPatch::default()
    })
}

pub(crate) fn timeout_ms(timeout_ms: u64) -> Setup {
    limited(LimitsPatch {
        timeout_ms: Some(timeout_ms),
        ..LimitsPatch::default()
    })
}
