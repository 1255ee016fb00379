//! What every message of the served APIs looks like on the wire, in every version.
//!
//! In the notation of [`layout`](super::layout). Field names, order and versions are those of
//! Kafka 4.3's message definitions, cut to the versions in [`api`](crate::api).

use crate::api::ApiKey;

/// Both halves of an exchange.
pub(super) struct Layouts {
    pub(super) key: ApiKey,
    pub(super) request: &'static str,
    pub(super) response: &'static str,
}

/// One row per key, in the order of the API table; the count is the compiler's to check.
#[rustfmt::skip]
pub(super) const TABLE: [Layouts; ApiKey::ALL.len()] = [
    Layouts {
        key: ApiKey::Produce,
        request: "transactional_id:str? acks:i16 timeout_ms:i32 topic_data:[{name:str@3-12 \
             topic_id:uuid@13+ partition_data:[{index:i32 records:records?}]}]",
        response: "responses:[{name:str@3-12 topic_id:uuid@13+ partition_responses:[{index:i32 \
             error_code:i16 base_offset:i64 log_append_time_ms:i64 log_start_offset:i64@5+ \
             record_errors:[{batch_index:i32 batch_index_error_message:str?}]@8+ \
             error_message:str@8+? current_leader#0:{leader_id:i32 leader_epoch:i32}@10+}]}] \
             throttle_time_ms:i32 node_endpoints#0:[{node_id:i32 host:str port:i32 \
             rack:str?}]@10+",
    },
    Layouts {
        key: ApiKey::Fetch,
        request: "cluster_id#0:str@12+? replica_id:i32@4-14 replica_state#1:{replica_id:i32 \
             replica_epoch:i64}@15+ max_wait_ms:i32 min_bytes:i32 max_bytes:i32 \
             isolation_level:i8 session_id:i32@7+ session_epoch:i32@7+ topics:[{topic:str@4-12 \
             topic_id:uuid@13+ partitions:[{partition:i32 current_leader_epoch:i32@9+ \
             fetch_offset:i64 last_fetched_epoch:i32@12+ log_start_offset:i64@5+ \
             partition_max_bytes:i32 replica_directory_id#0:uuid@17+ \
             high_watermark#1:i64@18+}]}] forgotten_topics_data:[{topic:str@7-12 \
             topic_id:uuid@13+ partitions:[i32]}]@7+ rack_id:str@11+",
        response: "throttle_time_ms:i32 error_code:i16@7+ session_id:i32@7+ \
             responses:[{topic:str@4-12 topic_id:uuid@13+ partitions:[{partition_index:i32 \
             error_code:i16 high_watermark:i64 last_stable_offset:i64 log_start_offset:i64@5+ \
             diverging_epoch#0:{epoch:i32 end_offset:i64}@12+ current_leader#1:{leader_id:i32 \
             leader_epoch:i32}@12+ snapshot_id#2:{end_offset:i64 epoch:i32}@12+ \
             aborted_transactions:[{producer_id:i64 first_offset:i64}]? \
             preferred_read_replica:i32@11+ records:records?}]}] \
             node_endpoints#0:[{node_id:i32 host:str port:i32 rack:str?}]@16+",
    },
    Layouts {
        key: ApiKey::ListOffsets,
        request: "replica_id:i32 isolation_level:i8@2+ topics:[{name:str \
             partitions:[{partition_index:i32 current_leader_epoch:i32@4+ timestamp:i64}]}] \
             timeout_ms:i32@10+",
        response: "throttle_time_ms:i32@2+ topics:[{name:str partitions:[{partition_index:i32 \
             error_code:i16 timestamp:i64 offset:i64 leader_epoch:i32@4+}]}]",
    },
    Layouts {
        key: ApiKey::Metadata,
        request: "topics:[{topic_id:uuid@10+ name:str?10+}]?1+ allow_auto_topic_creation:bool@4+ \
             include_cluster_authorized_operations:bool@8-10 \
             include_topic_authorized_operations:bool@8+",
        response: "throttle_time_ms:i32@3+ brokers:[{node_id:i32 host:str port:i32 rack:str@1+?}] \
             cluster_id:str@2+? controller_id:i32@1+ topics:[{error_code:i16 name:str?12+ \
             topic_id:uuid@10+ is_internal:bool@1+ partitions:[{error_code:i16 \
             partition_index:i32 leader_id:i32 leader_epoch:i32@7+ replica_nodes:[i32] \
             isr_nodes:[i32] offline_replicas:[i32]@5+}] topic_authorized_operations:i32@8+}] \
             cluster_authorized_operations:i32@8-10 error_code:i16@13+",
    },
    Layouts {
        key: ApiKey::OffsetCommit,
        request: "group_id:str generation_id_or_member_epoch:i32 member_id:str \
             group_instance_id:str@7+? retention_time_ms:i64@2-4 topics:[{name:str@2-9 \
             topic_id:uuid@10+ partitions:[{partition_index:i32 committed_offset:i64 \
             committed_leader_epoch:i32@6+ committed_metadata:str?}]}]",
        response: "throttle_time_ms:i32@3+ topics:[{name:str@2-9 topic_id:uuid@10+ \
             partitions:[{partition_index:i32 error_code:i16}]}]",
    },
    Layouts {
        key: ApiKey::OffsetFetch,
        request: "group_id:str@1-7 topics:[{name:str partition_indexes:[i32]}]@1-7?2-7 \
             groups:[{group_id:str member_id:str@9+? member_epoch:i32@9+ topics:[{name:str@8-9 \
             topic_id:uuid@10+ partition_indexes:[i32]}]?}]@8+ require_stable:bool@7+",
        response: "throttle_time_ms:i32@3+ topics:[{name:str partitions:[{partition_index:i32 \
             committed_offset:i64 committed_leader_epoch:i32@5+ metadata:str? \
             error_code:i16}]}]@1-7 error_code:i16@2-7 groups:[{group_id:str \
             topics:[{name:str@8-9 topic_id:uuid@10+ partitions:[{partition_index:i32 \
             committed_offset:i64 committed_leader_epoch:i32 metadata:str? error_code:i16}]}] \
             error_code:i16}]@8+",
    },
    Layouts {
        key: ApiKey::FindCoordinator,
        request: "key:str@0-3 key_type:i8@1+ coordinator_keys:[str]@4+",
        response: "throttle_time_ms:i32@1+ error_code:i16@0-3 error_message:str@1-3? node_id:i32@0-3 \
             host:str@0-3 port:i32@0-3 coordinators:[{key:str node_id:i32 host:str port:i32 \
             error_code:i16 error_message:str?}]@4+",
    },
    Layouts {
        key: ApiKey::JoinGroup,
        request: "group_id:str session_timeout_ms:i32 rebalance_timeout_ms:i32@1+ member_id:str \
             group_instance_id:str@5+? protocol_type:str protocols:[{name:str metadata:bytes}] \
             reason:str@8+?",
        response: "throttle_time_ms:i32@2+ error_code:i16 generation_id:i32 protocol_type:str@7+? \
             protocol_name:str?7+ leader:str skip_assignment:bool@9+ member_id:str \
             members:[{member_id:str group_instance_id:str@5+? metadata:bytes}]",
    },
    Layouts {
        key: ApiKey::Heartbeat,
        request: "group_id:str generation_id:i32 member_id:str group_instance_id:str@3+?",
        response: "throttle_time_ms:i32@1+ error_code:i16",
    },
    Layouts {
        key: ApiKey::LeaveGroup,
        request: "group_id:str member_id:str@0-2 members:[{member_id:str group_instance_id:str? \
             reason:str@5+?}]@3+",
        response: "throttle_time_ms:i32@1+ error_code:i16 members:[{member_id:str \
             group_instance_id:str? error_code:i16}]@3+",
    },
    Layouts {
        key: ApiKey::SyncGroup,
        request: "group_id:str generation_id:i32 member_id:str group_instance_id:str@3+? \
             protocol_type:str@5+? protocol_name:str@5+? assignments:[{member_id:str \
             assignment:bytes}]",
        response: "throttle_time_ms:i32@1+ error_code:i16 protocol_type:str@5+? \
             protocol_name:str@5+? assignment:bytes",
    },
    Layouts {
        key: ApiKey::DescribeGroups,
        request: "groups:[str] include_authorized_operations:bool@3+",
        response: "throttle_time_ms:i32@1+ groups:[{error_code:i16 error_message:str@6+? \
             group_id:str group_state:str protocol_type:str protocol_data:str \
             members:[{member_id:str group_instance_id:str@4+? client_id:str client_host:str \
             member_metadata:bytes member_assignment:bytes}] authorized_operations:i32@3+}]",
    },
    Layouts {
        key: ApiKey::ListGroups,
        request: "states_filter:[str]@4+ types_filter:[str]@5+",
        response: "throttle_time_ms:i32@1+ error_code:i16 groups:[{group_id:str protocol_type:str \
             group_state:str@4+ group_type:str@5+}]",
    },
    Layouts {
        key: ApiKey::ApiVersions,
        request: "client_software_name:str@3+ client_software_version:str@3+",
        response: "error_code:i16 api_keys:[{api_key:i16 min_version:i16 max_version:i16}] \
             throttle_time_ms:i32@1+ supported_features#0:[{name:str min_version:i16 \
             max_version:i16}]@3+ finalized_features_epoch#1:i64@3+ \
             finalized_features#2:[{name:str max_version_level:i16 min_version_level:i16}]@3+ \
             zk_migration_ready#3:bool@3+",
    },
    Layouts {
        key: ApiKey::CreateTopics,
        request: "topics:[{name:str num_partitions:i32 replication_factor:i16 \
             assignments:[{partition_index:i32 broker_ids:[i32]}] configs:[{name:str \
             value:str?}]}] timeout_ms:i32 validate_only:bool",
        response: "throttle_time_ms:i32 topics:[{name:str topic_id:uuid@7+ error_code:i16 \
             error_message:str? topic_config_error_code#0:i16@5+ num_partitions:i32@5+ \
             replication_factor:i16@5+ configs:[{name:str value:str? read_only:bool \
             config_source:i8 is_sensitive:bool}]@5+?}]",
    },
    Layouts {
        key: ApiKey::DeleteTopics,
        request: "topics:[{name:str? topic_id:uuid}]@6+ topic_names:[str]@1-5 timeout_ms:i32",
        response: "throttle_time_ms:i32 responses:[{name:str?6+ topic_id:uuid@6+ error_code:i16 \
             error_message:str@5+?}]",
    },
    Layouts {
        key: ApiKey::DeleteRecords,
        request: "topics:[{name:str partitions:[{partition_index:i32 offset:i64}]}] timeout_ms:i32",
        response: "throttle_time_ms:i32 topics:[{name:str partitions:[{partition_index:i32 \
             low_watermark:i64 error_code:i16}]}]",
    },
    Layouts {
        key: ApiKey::InitProducerId,
        request: "transactional_id:str? transaction_timeout_ms:i32 producer_id:i64@3+ \
             producer_epoch:i16@3+ enable_2_pc:bool@6+ keep_prepared_txn:bool@6+",
        response: "throttle_time_ms:i32 error_code:i16 producer_id:i64 producer_epoch:i16 \
             ongoing_txn_producer_id:i64@6+ ongoing_txn_producer_epoch:i16@6+",
    },
    Layouts {
        key: ApiKey::OffsetForLeaderEpoch,
        request: "replica_id:i32@3+ topics:[{topic:str partitions:[{partition:i32 \
             current_leader_epoch:i32 leader_epoch:i32}]}]",
        response: "throttle_time_ms:i32 topics:[{topic:str partitions:[{error_code:i16 partition:i32 \
             leader_epoch:i32 end_offset:i64}]}]",
    },
    Layouts {
        key: ApiKey::WriteTxnMarkers,
        request: "markers:[{producer_id:i64 producer_epoch:i16 transaction_result:bool \
             topics:[{name:str partition_indexes:[i32]}] coordinator_epoch:i32 \
             transaction_version:i8@2+}]",
        response: "markers:[{producer_id:i64 topics:[{name:str partitions:[{partition_index:i32 \
             error_code:i16}]}]}]",
    },
    Layouts {
        key: ApiKey::TxnOffsetCommit,
        request: "transactional_id:str group_id:str producer_id:i64 producer_epoch:i16 \
             generation_id:i32@3+ member_id:str@3+ group_instance_id:str@3+? topics:[{name:str \
             partitions:[{partition_index:i32 committed_offset:i64 \
             committed_leader_epoch:i32@2+ committed_metadata:str?}]}]",
        response: "throttle_time_ms:i32 topics:[{name:str partitions:[{partition_index:i32 \
             error_code:i16}]}]",
    },
    Layouts {
        key: ApiKey::DescribeAcls,
        request: "resource_type_filter:i8 resource_name_filter:str? pattern_type_filter:i8 \
             principal_filter:str? host_filter:str? operation:i8 permission_type:i8",
        response: "throttle_time_ms:i32 error_code:i16 error_message:str? \
             resources:[{resource_type:i8 resource_name:str pattern_type:i8 acls:[{principal:str \
             host:str operation:i8 permission_type:i8}]}]",
    },
    Layouts {
        key: ApiKey::CreateAcls,
        request: "creations:[{resource_type:i8 resource_name:str resource_pattern_type:i8 \
             principal:str host:str operation:i8 permission_type:i8}]",
        response: "throttle_time_ms:i32 results:[{error_code:i16 error_message:str?}]",
    },
    Layouts {
        key: ApiKey::DeleteAcls,
        request: "filters:[{resource_type_filter:i8 resource_name_filter:str? \
             pattern_type_filter:i8 principal_filter:str? host_filter:str? operation:i8 \
             permission_type:i8}]",
        response: "throttle_time_ms:i32 filter_results:[{error_code:i16 error_message:str? \
             matching_acls:[{error_code:i16 error_message:str? resource_type:i8 resource_name:str \
             pattern_type:i8 principal:str host:str operation:i8 permission_type:i8}]}]",
    },
    Layouts {
        key: ApiKey::AddPartitionsToTxn,
        request: "transactions:[{transactional_id:str producer_id:i64 producer_epoch:i16 \
             verify_only:bool topics:[{name:str partitions:[i32]}]}]@4+ \
             v3_and_below_transactional_id:str@0-3 v3_and_below_producer_id:i64@0-3 \
             v3_and_below_producer_epoch:i16@0-3 v3_and_below_topics:[{name:str \
             partitions:[i32]}]@0-3",
        response: "throttle_time_ms:i32 error_code:i16@4+ \
             results_by_transaction:[{transactional_id:str topic_results:[{name:str \
             results_by_partition:[{partition_index:i32 partition_error_code:i16}]}]}]@4+ \
             results_by_topic_v3_and_below:[{name:str results_by_partition:[{partition_index:i32 \
             partition_error_code:i16}]}]@0-3",
    },
    Layouts {
        key: ApiKey::AddOffsetsToTxn,
        request: "transactional_id:str producer_id:i64 producer_epoch:i16 group_id:str",
        response: "throttle_time_ms:i32 error_code:i16",
    },
    Layouts {
        key: ApiKey::EndTxn,
        request: "transactional_id:str producer_id:i64 producer_epoch:i16 committed:bool",
        response: "throttle_time_ms:i32 error_code:i16 producer_id:i64@5+ producer_epoch:i16@5+",
    },
    Layouts {
        key: ApiKey::DescribeConfigs,
        request: "resources:[{resource_type:i8 resource_name:str configuration_keys:[str]?}] \
             include_synonyms:bool include_documentation:bool@3+",
        response: "throttle_time_ms:i32 results:[{error_code:i16 error_message:str? resource_type:i8 \
             resource_name:str configs:[{name:str value:str? read_only:bool config_source:i8 \
             is_sensitive:bool synonyms:[{name:str value:str? source:i8}] config_type:i8@3+ \
             documentation:str@3+?}]}]",
    },
    Layouts {
        key: ApiKey::AlterConfigs,
        request: "resources:[{resource_type:i8 resource_name:str configs:[{name:str value:str?}]}] \
             validate_only:bool",
        response: "throttle_time_ms:i32 responses:[{error_code:i16 error_message:str? \
             resource_type:i8 resource_name:str}]",
    },
    Layouts {
        key: ApiKey::AlterReplicaLogDirs,
        request: "dirs:[{path:str topics:[{name:str partitions:[i32]}]}]",
        response: "throttle_time_ms:i32 results:[{topic_name:str partitions:[{partition_index:i32 \
             error_code:i16}]}]",
    },
    Layouts {
        key: ApiKey::DescribeLogDirs,
        request: "topics:[{topic:str partitions:[i32]}]?",
        response: "throttle_time_ms:i32 error_code:i16@3+ results:[{error_code:i16 log_dir:str \
             topics:[{name:str partitions:[{partition_index:i32 partition_size:i64 \
             offset_lag:i64 is_future_key:bool}]}] total_bytes:i64@4+ usable_bytes:i64@4+ \
             is_cordoned:bool@5+}]",
    },
    Layouts {
        key: ApiKey::CreatePartitions,
        request: "topics:[{name:str count:i32 assignments:[{broker_ids:[i32]}]?}] timeout_ms:i32 \
             validate_only:bool",
        response: "throttle_time_ms:i32 results:[{name:str error_code:i16 error_message:str?}]",
    },
    Layouts {
        key: ApiKey::CreateDelegationToken,
        request: "owner_principal_type:str@3+? owner_principal_name:str@3+? \
             renewers:[{principal_type:str principal_name:str}] max_lifetime_ms:i64",
        response: "error_code:i16 principal_type:str principal_name:str \
             token_requester_principal_type:str@3+ token_requester_principal_name:str@3+ \
             issue_timestamp_ms:i64 expiry_timestamp_ms:i64 max_timestamp_ms:i64 token_id:str \
             hmac:bytes throttle_time_ms:i32",
    },
    Layouts {
        key: ApiKey::RenewDelegationToken,
        request: "hmac:bytes renew_period_ms:i64",
        response: "error_code:i16 expiry_timestamp_ms:i64 throttle_time_ms:i32",
    },
    Layouts {
        key: ApiKey::ExpireDelegationToken,
        request: "hmac:bytes expiry_time_period_ms:i64",
        response: "error_code:i16 expiry_timestamp_ms:i64 throttle_time_ms:i32",
    },
    Layouts {
        key: ApiKey::DescribeDelegationToken,
        request: "owners:[{principal_type:str principal_name:str}]?",
        response: "error_code:i16 tokens:[{principal_type:str principal_name:str \
             token_requester_principal_type:str@3+ token_requester_principal_name:str@3+ \
             issue_timestamp:i64 expiry_timestamp:i64 max_timestamp:i64 token_id:str hmac:bytes \
             renewers:[{principal_type:str principal_name:str}]}] throttle_time_ms:i32",
    },
    Layouts {
        key: ApiKey::DeleteGroups,
        request: "groups_names:[str]",
        response: "throttle_time_ms:i32 results:[{group_id:str error_code:i16}]",
    },
    Layouts {
        key: ApiKey::ElectLeaders,
        request: "election_type:i8@1+ topic_partitions:[{topic:str partitions:[i32]}]? \
             timeout_ms:i32",
        response: "throttle_time_ms:i32 error_code:i16@1+ replica_election_results:[{topic:str \
             partition_result:[{partition_id:i32 error_code:i16 error_message:str?}]}]",
    },
    Layouts {
        key: ApiKey::IncrementalAlterConfigs,
        request: "resources:[{resource_type:i8 resource_name:str configs:[{name:str \
             config_operation:i8 value:str?}]}] validate_only:bool",
        response: "throttle_time_ms:i32 responses:[{error_code:i16 error_message:str? \
             resource_type:i8 resource_name:str}]",
    },
    Layouts {
        key: ApiKey::AlterPartitionReassignments,
        request: "timeout_ms:i32 allow_replication_factor_change:bool@1+ topics:[{name:str \
             partitions:[{partition_index:i32 replicas:[i32]?}]}]",
        response: "throttle_time_ms:i32 allow_replication_factor_change:bool@1+ error_code:i16 \
             error_message:str? responses:[{name:str partitions:[{partition_index:i32 \
             error_code:i16 error_message:str?}]}]",
    },
    Layouts {
        key: ApiKey::ListPartitionReassignments,
        request: "timeout_ms:i32 topics:[{name:str partition_indexes:[i32]}]?",
        response: "throttle_time_ms:i32 error_code:i16 error_message:str? topics:[{name:str \
             partitions:[{partition_index:i32 replicas:[i32] adding_replicas:[i32] \
             removing_replicas:[i32]}]}]",
    },
    Layouts {
        key: ApiKey::OffsetDelete,
        request: "group_id:str topics:[{name:str partitions:[{partition_index:i32}]}]",
        response: "error_code:i16 throttle_time_ms:i32 topics:[{name:str \
             partitions:[{partition_index:i32 error_code:i16}]}]",
    },
    Layouts {
        key: ApiKey::DescribeClientQuotas,
        request: "components:[{entity_type:str match_type:i8 match:str?}] strict:bool",
        response: "throttle_time_ms:i32 error_code:i16 error_message:str? \
             entries:[{entity:[{entity_type:str entity_name:str?}] values:[{key:str \
             value:i64}]}]?",
    },
    Layouts {
        key: ApiKey::AlterClientQuotas,
        request: "entries:[{entity:[{entity_type:str entity_name:str?}] ops:[{key:str value:i64 \
             remove:bool}]}] validate_only:bool",
        response: "throttle_time_ms:i32 entries:[{error_code:i16 error_message:str? \
             entity:[{entity_type:str entity_name:str?}]}]",
    },
    Layouts {
        key: ApiKey::DescribeUserScramCredentials,
        request: "users:[{name:str}]?",
        response: "throttle_time_ms:i32 error_code:i16 error_message:str? results:[{user:str \
             error_code:i16 error_message:str? credential_infos:[{mechanism:i8 iterations:i32}]}]",
    },
    Layouts {
        key: ApiKey::AlterUserScramCredentials,
        request: "deletions:[{name:str mechanism:i8}] upsertions:[{name:str mechanism:i8 \
             iterations:i32 salt:bytes salted_password:bytes}]",
        response: "throttle_time_ms:i32 results:[{user:str error_code:i16 error_message:str?}]",
    },
    Layouts {
        key: ApiKey::DescribeQuorum,
        request: "topics:[{topic_name:str partitions:[{partition_index:i32}]}]",
        response: "error_code:i16 error_message:str@2+? topics:[{topic_name:str \
             partitions:[{partition_index:i32 error_code:i16 error_message:str@2+? leader_id:i32 \
             leader_epoch:i32 high_watermark:i64 current_voters:[{replica_id:i32 \
             replica_directory_id:uuid@2+ log_end_offset:i64 last_fetch_timestamp:i64@1+ \
             last_caught_up_timestamp:i64@1+}] observers:[{replica_id:i32 \
             replica_directory_id:uuid@2+ log_end_offset:i64 last_fetch_timestamp:i64@1+ \
             last_caught_up_timestamp:i64@1+}]}]}] nodes:[{node_id:i32@2+ listeners:[{name:str@2+ \
             host:str@2+ port:i16@2+}]@2+}]@2+",
    },
    Layouts {
        key: ApiKey::UpdateFeatures,
        request: "timeout_ms:i32 feature_updates:[{feature:str max_version_level:i16 \
             allow_downgrade:bool@0 upgrade_type:i8@1+}] validate_only:bool@1+",
        response: "throttle_time_ms:i32 error_code:i16 error_message:str? results:[{feature:str \
             error_code:i16 error_message:str?}]@0-1",
    },
    Layouts {
        key: ApiKey::DescribeCluster,
        request: "include_cluster_authorized_operations:bool endpoint_type:i8@1+ \
             include_fenced_brokers:bool@2+",
        response: "throttle_time_ms:i32 error_code:i16 error_message:str? endpoint_type:i8@1+ \
             cluster_id:str controller_id:i32 brokers:[{broker_id:i32 host:str port:i32 \
             rack:str? is_fenced:bool@2+}] cluster_authorized_operations:i32",
    },
    Layouts {
        key: ApiKey::DescribeProducers,
        request: "topics:[{name:str partition_indexes:[i32]}]",
        response: "throttle_time_ms:i32 topics:[{name:str partitions:[{partition_index:i32 \
             error_code:i16 error_message:str? active_producers:[{producer_id:i64 \
             producer_epoch:i32 last_sequence:i32 last_timestamp:i64 coordinator_epoch:i32 \
             current_txn_start_offset:i64}]}]}]",
    },
    Layouts {
        key: ApiKey::UnregisterBroker,
        request: "broker_id:i32",
        response: "throttle_time_ms:i32 error_code:i16 error_message:str?",
    },
    Layouts {
        key: ApiKey::DescribeTransactions,
        request: "transactional_ids:[str]",
        response: "throttle_time_ms:i32 transaction_states:[{error_code:i16 transactional_id:str \
             transaction_state:str transaction_timeout_ms:i32 transaction_start_time_ms:i64 \
             producer_id:i64 producer_epoch:i16 topics:[{topic:str partitions:[i32]}]}]",
    },
    Layouts {
        key: ApiKey::ListTransactions,
        request: "state_filters:[str] producer_id_filters:[i64] duration_filter:i64@1+ \
             transactional_id_pattern:str@2+?",
        response: "throttle_time_ms:i32 error_code:i16 unknown_state_filters:[str] \
             transaction_states:[{transactional_id:str producer_id:i64 transaction_state:str}]",
    },
    Layouts {
        key: ApiKey::ConsumerGroupHeartbeat,
        request: "group_id:str member_id:str member_epoch:i32 instance_id:str? rack_id:str? \
             rebalance_timeout_ms:i32 subscribed_topic_names:[str]? \
             subscribed_topic_regex:str@1+? server_assignor:str? \
             topic_partitions:[{topic_id:uuid partitions:[i32]}]?",
        response: "throttle_time_ms:i32 error_code:i16 error_message:str? member_id:str? \
             member_epoch:i32 heartbeat_interval_ms:i32 \
             assignment:{topic_partitions:[{topic_id:uuid partitions:[i32]}]}?",
    },
    Layouts {
        key: ApiKey::ConsumerGroupDescribe,
        request: "group_ids:[str] include_authorized_operations:bool",
        response: "throttle_time_ms:i32 groups:[{error_code:i16 error_message:str? group_id:str \
             group_state:str group_epoch:i32 assignment_epoch:i32 assignor_name:str \
             members:[{member_id:str instance_id:str? rack_id:str? member_epoch:i32 \
             client_id:str client_host:str subscribed_topic_names:[str] \
             subscribed_topic_regex:str? assignment:{topic_partitions:[{topic_id:uuid \
             topic_name:str partitions:[i32]}]} target_assignment:{topic_partitions:[\
             {topic_id:uuid topic_name:str partitions:[i32]}]} member_type:i8@1+}] \
             authorized_operations:i32}]",
    },
    Layouts {
        key: ApiKey::GetTelemetrySubscriptions,
        request: "client_instance_id:uuid",
        response: "throttle_time_ms:i32 error_code:i16 client_instance_id:uuid \
             subscription_id:i32 accepted_compression_types:[i8] push_interval_ms:i32 \
             telemetry_max_bytes:i32 delta_temporality:bool requested_metrics:[str]",
    },
    Layouts {
        key: ApiKey::PushTelemetry,
        request: "client_instance_id:uuid subscription_id:i32 terminating:bool \
             compression_type:i8 metrics:bytes",
        response: "throttle_time_ms:i32 error_code:i16",
    },
    Layouts {
        key: ApiKey::ListConfigResources,
        request: "resource_types:[i8]@1+",
        response: "throttle_time_ms:i32 error_code:i16 config_resources:[{resource_name:str \
             resource_type:i8@1+}]",
    },
    Layouts {
        key: ApiKey::DescribeTopicPartitions,
        request: "topics:[{name:str}] response_partition_limit:i32 cursor:{topic_name:str \
             partition_index:i32}?",
        response: "throttle_time_ms:i32 topics:[{error_code:i16 name:str? topic_id:uuid \
             is_internal:bool partitions:[{error_code:i16 partition_index:i32 leader_id:i32 \
             leader_epoch:i32 replica_nodes:[i32] isr_nodes:[i32] \
             eligible_leader_replicas:[i32]? last_known_elr:[i32]? offline_replicas:[i32]}] \
             topic_authorized_operations:i32}] next_cursor:{topic_name:str \
             partition_index:i32}?",
    },
    Layouts {
        key: ApiKey::ShareGroupHeartbeat,
        request: "group_id:str member_id:str member_epoch:i32 rack_id:str? \
             subscribed_topic_names:[str]?",
        response: "throttle_time_ms:i32 error_code:i16 error_message:str? member_id:str? \
             member_epoch:i32 heartbeat_interval_ms:i32 \
             assignment:{topic_partitions:[{topic_id:uuid partitions:[i32]}]}?",
    },
    Layouts {
        key: ApiKey::ShareGroupDescribe,
        request: "group_ids:[str] include_authorized_operations:bool",
        response: "throttle_time_ms:i32 groups:[{error_code:i16 error_message:str? group_id:str \
             group_state:str group_epoch:i32 assignment_epoch:i32 assignor_name:str \
             members:[{member_id:str rack_id:str? member_epoch:i32 client_id:str \
             client_host:str subscribed_topic_names:[str] \
             assignment:{topic_partitions:[{topic_id:uuid topic_name:str partitions:[i32]}]}}] \
             authorized_operations:i32}]",
    },
    Layouts {
        key: ApiKey::ShareFetch,
        request: "group_id:str? member_id:str? share_session_epoch:i32 max_wait_ms:i32 \
             min_bytes:i32 max_bytes:i32 max_records:i32 batch_size:i32 \
             share_acquire_mode:i8@2+ is_renew_ack:bool@2+ topics:[{topic_id:uuid \
             partitions:[{partition_index:i32 acknowledgement_batches:[{first_offset:i64 \
             last_offset:i64 acknowledge_types:[i8]}]}]}] forgotten_topics_data:[{topic_id:uuid \
             partitions:[i32]}]",
        response: "throttle_time_ms:i32 error_code:i16 error_message:str? \
             acquisition_lock_timeout_ms:i32 responses:[{topic_id:uuid \
             partitions:[{partition_index:i32 error_code:i16 error_message:str? \
             acknowledge_error_code:i16 acknowledge_error_message:str? \
             current_leader:{leader_id:i32 leader_epoch:i32} records:records \
             acquired_records:[{first_offset:i64 last_offset:i64 delivery_count:i16}]}]}] \
             node_endpoints:[{node_id:i32 host:str port:i32 rack:str?}]",
    },
    Layouts {
        key: ApiKey::ShareAcknowledge,
        request: "group_id:str? member_id:str? share_session_epoch:i32 is_renew_ack:bool@2+ \
             topics:[{topic_id:uuid partitions:[{partition_index:i32 \
             acknowledgement_batches:[{first_offset:i64 last_offset:i64 \
             acknowledge_types:[i8]}]}]}]",
        response: "throttle_time_ms:i32 error_code:i16 error_message:str? \
             acquisition_lock_timeout_ms:i32@2+ responses:[{topic_id:uuid \
             partitions:[{partition_index:i32 error_code:i16 error_message:str? \
             current_leader:{leader_id:i32 leader_epoch:i32}}]}] node_endpoints:[{node_id:i32 \
             host:str port:i32 rack:str?}]",
    },
    Layouts {
        key: ApiKey::AddRaftVoter,
        request: "cluster_id:str? timeout_ms:i32 voter_id:i32 voter_directory_id:uuid \
             listeners:[{name:str host:str port:i16}] ack_when_committed:bool@1+",
        response: "throttle_time_ms:i32 error_code:i16 error_message:str?",
    },
    Layouts {
        key: ApiKey::RemoveRaftVoter,
        request: "cluster_id:str? voter_id:i32 voter_directory_id:uuid",
        response: "throttle_time_ms:i32 error_code:i16 error_message:str?",
    },
    Layouts {
        key: ApiKey::InitializeShareGroupState,
        request: "group_id:str topics:[{topic_id:uuid partitions:[{partition:i32 \
             state_epoch:i32 start_offset:i64}]}]",
        response: "results:[{topic_id:uuid partitions:[{partition:i32 error_code:i16 \
             error_message:str?}]}]",
    },
    Layouts {
        key: ApiKey::ReadShareGroupState,
        request: "group_id:str topics:[{topic_id:uuid partitions:[{partition:i32 \
             leader_epoch:i32}]}]",
        response: "results:[{topic_id:uuid partitions:[{partition:i32 error_code:i16 \
             error_message:str? state_epoch:i32 start_offset:i64 \
             state_batches:[{first_offset:i64 last_offset:i64 delivery_state:i8 \
             delivery_count:i16}]}]}]",
    },
    Layouts {
        key: ApiKey::WriteShareGroupState,
        request: "group_id:str topics:[{topic_id:uuid partitions:[{partition:i32 \
             state_epoch:i32 leader_epoch:i32 start_offset:i64 delivery_complete_count:i32@1+ \
             state_batches:[{first_offset:i64 last_offset:i64 delivery_state:i8 \
             delivery_count:i16}]}]}]",
        response: "results:[{topic_id:uuid partitions:[{partition:i32 error_code:i16 \
             error_message:str?}]}]",
    },
    Layouts {
        key: ApiKey::DeleteShareGroupState,
        request: "group_id:str topics:[{topic_id:uuid partitions:[{partition:i32}]}]",
        response: "results:[{topic_id:uuid partitions:[{partition:i32 error_code:i16 \
             error_message:str?}]}]",
    },
    Layouts {
        key: ApiKey::ReadShareGroupStateSummary,
        request: "group_id:str topics:[{topic_id:uuid partitions:[{partition:i32 \
             leader_epoch:i32}]}]",
        response: "results:[{topic_id:uuid partitions:[{partition:i32 error_code:i16 \
             error_message:str? state_epoch:i32 leader_epoch:i32 start_offset:i64 \
             delivery_complete_count:i32@1+}]}]",
    },
    Layouts {
        key: ApiKey::StreamsGroupHeartbeat,
        request: "group_id:str member_id:str member_epoch:i32 endpoint_information_epoch:i32 \
             instance_id:str? rack_id:str? rebalance_timeout_ms:i32 topology:{epoch:i32 \
             subtopologies:[{subtopology_id:str source_topics:[str] source_topic_regex:[str] \
             state_changelog_topics:[{name:str partitions:i32 replication_factor:i16 \
             topic_configs:[{key:str value:str}]}] repartition_sink_topics:[str] \
             repartition_source_topics:[{name:str partitions:i32 replication_factor:i16 \
             topic_configs:[{key:str value:str}]}] copartition_groups:[{source_topics:[i16] \
             source_topic_regex:[i16] repartition_source_topics:[i16]}]}]}? \
             active_tasks:[{subtopology_id:str partitions:[i32]}]? \
             standby_tasks:[{subtopology_id:str partitions:[i32]}]? \
             warmup_tasks:[{subtopology_id:str partitions:[i32]}]? process_id:str? \
             user_endpoint:{host:str port:i16}? client_tags:[{key:str value:str}]? \
             task_offsets:[{subtopology_id:str partition:i32 offset:i64}]? \
             task_end_offsets:[{subtopology_id:str partition:i32 offset:i64}]? \
             shutdown_application:bool",
        response: "throttle_time_ms:i32 error_code:i16 error_message:str? member_id:str \
             member_epoch:i32 heartbeat_interval_ms:i32 acceptable_recovery_lag:i32 \
             task_offset_interval_ms:i32 status:[{status_code:i8 status_detail:str}]? \
             active_tasks:[{subtopology_id:str partitions:[i32]}]? \
             standby_tasks:[{subtopology_id:str partitions:[i32]}]? \
             warmup_tasks:[{subtopology_id:str partitions:[i32]}]? \
             endpoint_information_epoch:i32 partitions_by_user_endpoint:[{user_endpoint:{host:str \
             port:i16} active_partitions:[{topic:str partitions:[i32]}] \
             standby_partitions:[{topic:str partitions:[i32]}]}]?",
    },
    Layouts {
        key: ApiKey::StreamsGroupDescribe,
        request: "group_ids:[str] include_authorized_operations:bool",
        response: "throttle_time_ms:i32 groups:[{error_code:i16 error_message:str? group_id:str \
             group_state:str group_epoch:i32 assignment_epoch:i32 topology:{epoch:i32 \
             subtopologies:[{subtopology_id:str source_topics:[str] \
             repartition_sink_topics:[str] state_changelog_topics:[{name:str partitions:i32 \
             replication_factor:i16 topic_configs:[{key:str value:str}]}] \
             repartition_source_topics:[{name:str partitions:i32 replication_factor:i16 \
             topic_configs:[{key:str value:str}]}]}]?}? members:[{member_id:str \
             member_epoch:i32 instance_id:str? rack_id:str? client_id:str client_host:str \
             topology_epoch:i32 process_id:str user_endpoint:{host:str port:i16}? \
             client_tags:[{key:str value:str}] task_offsets:[{subtopology_id:str \
             partition:i32 offset:i64}] task_end_offsets:[{subtopology_id:str partition:i32 \
             offset:i64}] assignment:{active_tasks:[{subtopology_id:str partitions:[i32]}] \
             standby_tasks:[{subtopology_id:str partitions:[i32]}] \
             warmup_tasks:[{subtopology_id:str partitions:[i32]}]} \
             target_assignment:{active_tasks:[{subtopology_id:str partitions:[i32]}] \
             standby_tasks:[{subtopology_id:str partitions:[i32]}] \
             warmup_tasks:[{subtopology_id:str partitions:[i32]}]} is_classic:bool}] \
             authorized_operations:i32}]",
    },
    Layouts {
        key: ApiKey::DescribeShareGroupOffsets,
        request: "groups:[{group_id:str topics:[{topic_name:str partitions:[i32]}]?}]",
        response: "throttle_time_ms:i32 groups:[{group_id:str topics:[{topic_name:str \
             topic_id:uuid partitions:[{partition_index:i32 start_offset:i64 leader_epoch:i32 \
             lag:i64@1+ error_code:i16 error_message:str?}]}] error_code:i16 \
             error_message:str?}]",
    },
    Layouts {
        key: ApiKey::AlterShareGroupOffsets,
        request: "group_id:str topics:[{topic_name:str partitions:[{partition_index:i32 \
             start_offset:i64}]}]",
        response: "throttle_time_ms:i32 error_code:i16 error_message:str? \
             responses:[{topic_name:str topic_id:uuid partitions:[{partition_index:i32 \
             error_code:i16 error_message:str?}]}]",
    },
    Layouts {
        key: ApiKey::DeleteShareGroupOffsets,
        request: "group_id:str topics:[{topic_name:str}]",
        response: "throttle_time_ms:i32 error_code:i16 error_message:str? \
             responses:[{topic_name:str topic_id:uuid error_code:i16 error_message:str?}]",
    },
];
