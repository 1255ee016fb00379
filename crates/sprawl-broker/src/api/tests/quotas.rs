//! Quotas, credentials and features: kept in metadata, described, refused.

use super::*;
use alter_client_quotas_request::{EntityData, EntryData, OpData};
use describe_client_quotas_request::ComponentData;

/// Takes the answer of one API.
macro_rules! ask {
    ($node:expr, $version:expr, $request:expr, $name:ident) => {
        match $node.call($version, $request).await {
            Response::$name(response) => response,
            other => panic!("{other:?}"),
        }
    };
}

/// A change to one entity's quotas; a value of 0 takes one away.
pub(super) fn entry(entity: &[(&str, Option<&str>)], ops: &[(&str, f64)]) -> EntryData {
    let entity = entity.iter().map(|(kind, name)| {
        EntityData::default()
            .with_entity_type(text(kind))
            .with_entity_name(name.map(text))
    });
    let ops = ops.iter().map(|(key, value)| {
        OpData::default()
            .with_key(text(key))
            .with_value(*value)
            .with_remove(*value == 0.0)
    });
    EntryData::default()
        .with_entity(entity.collect())
        .with_ops(ops.collect())
}

impl Node {
    pub(super) async fn alter_quotas(&mut self, entries: Vec<EntryData>) -> Vec<i16> {
        let request = AlterClientQuotasRequest::default().with_entries(entries);
        let response = ask!(self, 1, request, AlterClientQuotas);
        let codes = response.entries.iter().map(|entry| entry.error_code);
        codes.collect()
    }

    async fn quotas(&mut self, filter: &[(&str, i8, Option<&str>)], strict: bool) -> Vec<String> {
        let components = filter.iter().map(|(kind, match_type, name)| {
            ComponentData::default()
                .with_entity_type(text(kind))
                .with_match_type(*match_type)
                .with_match(name.map(text))
        });
        let request = DescribeClientQuotasRequest::default()
            .with_components(components.collect())
            .with_strict(strict);
        let response = ask!(self, 1, request, DescribeClientQuotas);
        if response.error_code != NONE {
            return vec![format!("error {}", response.error_code)];
        }
        let shown = |entry: &describe_client_quotas_response::EntryData| {
            let mut parts = Vec::new();
            for part in &entry.entity {
                let name = part.entity_name.as_deref().unwrap_or("<default>");
                parts.push(format!("{}={name}", part.entity_type.as_str()));
            }
            for value in &entry.values {
                parts.push(format!("{}:{}", value.key.as_str(), value.value));
            }
            parts.join(" ")
        };
        response.entries.unwrap().iter().map(shown).collect()
    }
}

#[test]
fn quotas_are_described_as_they_were_set_also_after_a_kill() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        let set = vec![
            entry(&[("user", Some("u"))], &[("producer_byte_rate", 1000.0)]),
            entry(
                &[("client-id", Some("c")), ("user", None)],
                &[("request_percentage", 0.5), ("consumer_byte_rate", 2e9)],
            ),
            entry(
                &[("ip", Some("10.0.0.1"))],
                &[("connection_creation_rate", 5.0)],
            ),
        ];
        assert_eq!(node.alter_quotas(set).await, [NONE; 3]);
        let mut node = node.kill_and_restart().await;
        let u = "user=u producer_byte_rate:1000";
        let c = "user=<default> client-id=c consumer_byte_rate:2000000000 request_percentage:0.5";
        let ip = "ip=10.0.0.1 connection_creation_rate:5";
        for (filter, strict, expected) in [
            (&[][..], false, &[c, u, ip][..]),
            (&[("user", 0, Some("u"))], false, &[u]),
            (&[("user", 1, None)], false, &[c]),
            (&[("user", 1, None)], true, &[]),
            (&[("user", 2, None)], false, &[c, u]),
            (
                &[("user", 2, None), ("client-id", 0, Some("c"))],
                true,
                &[c],
            ),
            (&[("ip", 2, None)], true, &[ip]),
            (&[("ip", 2, None), ("user", 2, None)], true, &["error 42"]),
            (&[("user", 2, None), ("user", 2, None)], true, &["error 42"]),
            (&[("user", 0, None)], true, &["error 42"]),
            (&[("user", 2, Some("u"))], true, &["error 42"]),
            (&[("user", 9, None)], true, &["error 42"]),
            (&[("", 2, None)], true, &["error 42"]),
            (&[("host", 2, None)], true, &["error 35"]),
        ] {
            let mut found = node.quotas(filter, strict).await;
            let mut expected = expected.to_vec();
            found.sort();
            expected.sort_unstable();
            assert_eq!(found, expected, "{filter:?} {strict}");
        }
        let gone = entry(&[("user", Some("u"))], &[("producer_byte_rate", 0.0)]);
        assert_eq!(node.alter_quotas(vec![gone]).await, [NONE]);
        assert!(
            node.quotas(&[("user", 0, Some("u"))], false)
                .await
                .is_empty()
        );
    });
}

#[test]
fn one_wrong_quota_is_refused_and_the_others_are_set() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        let rate = [("producer_byte_rate", 1000.0)];
        let entries = vec![
            entry(&[("user", Some("a"))], &rate),
            entry(&[("user", Some("b"))], &[("no_such_rate", 1.0)]),
            entry(&[("user", Some("a"))], &rate),
            entry(&[("host", Some("a"))], &rate),
            entry(&[("user", Some("c")), ("user", Some("d"))], &rate),
            entry(&[("user", Some("e"))], &[rate[0], rate[0]]),
        ];
        let invalid = ErrorCode::InvalidRequest.number();
        let expected = [NONE, invalid, invalid, invalid, invalid, invalid];
        assert_eq!(node.alter_quotas(entries).await, expected);
        assert_eq!(node.quotas(&[], false).await.len(), 1);
        let request = AlterClientQuotasRequest::default()
            .with_entries(vec![entry(&[("user", Some("z"))], &rate)])
            .with_validate_only(true);
        let checked = ask!(node, 0, request, AlterClientQuotas);
        assert_eq!(checked.entries[0].error_code, NONE);
        assert_eq!(node.quotas(&[], false).await.len(), 1, "only checked");
    });
}

fn upsertion(
    user: &str,
    mechanism: i8,
    iterations: i32,
) -> alter_user_scram_credentials_request::ScramCredentialUpsertion {
    alter_user_scram_credentials_request::ScramCredentialUpsertion::default()
        .with_name(text(user))
        .with_mechanism(mechanism)
        .with_iterations(iterations)
        .with_salt(Bytes::from_static(b"salt"))
        .with_salted_password(Bytes::from_static(b"salted"))
}

fn deletion(
    user: &str,
    mechanism: i8,
) -> alter_user_scram_credentials_request::ScramCredentialDeletion {
    alter_user_scram_credentials_request::ScramCredentialDeletion::default()
        .with_name(text(user))
        .with_mechanism(mechanism)
}

async fn credentials(node: &mut Node, users: Option<&[&str]>) -> Vec<(String, i16, Vec<i32>)> {
    let user = |name: &&str| {
        describe_user_scram_credentials_request::UserName::default().with_name(text(name))
    };
    let request = DescribeUserScramCredentialsRequest::default()
        .with_users(users.map(|names| names.iter().map(user).collect()));
    let described = ask!(node, 0, request, DescribeUserScramCredentials);
    let shown = described.results.into_iter().map(|result| {
        let infos = result.credential_infos.iter();
        let numbers = infos.flat_map(|info| [i32::from(info.mechanism), info.iterations]);
        (
            result.user.to_string(),
            result.error_code,
            numbers.collect(),
        )
    });
    shown.collect()
}

#[test]
fn credentials_are_kept_described_and_taken_away() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        let (missing, twice) = (
            ErrorCode::ResourceNotFound.number(),
            ErrorCode::DuplicateResource.number(),
        );
        let bad = ErrorCode::UnacceptableCredential.number();
        let request = AlterUserScramCredentialsRequest::default()
            .with_deletions(vec![deletion("gone", 1), deletion("both", 1)])
            .with_upsertions(vec![
                upsertion("a", 1, 4096),
                upsertion("b", 2, 16_384),
                upsertion("both", 1, 4096),
                upsertion("few", 1, 4095),
                upsertion("many", 1, 16_385),
                upsertion("", 1, 4096),
                upsertion("which", 3, 4096),
            ]);
        let altered = ask!(node, 0, request, AlterUserScramCredentials);
        let results = altered.results.iter();
        let codes: Vec<_> = results
            .map(|result| (result.user.as_str(), result.error_code))
            .collect();
        let mechanism = ErrorCode::UnsupportedSaslMechanism.number();
        assert_eq!(
            codes,
            [
                ("", bad),
                ("a", NONE),
                ("b", NONE),
                ("both", twice),
                ("few", bad),
                ("gone", missing),
                ("many", bad),
                ("which", mechanism),
            ]
        );
        let mut node = node.kill_and_restart().await;
        let (a, b) = (
            ("a".to_owned(), NONE, vec![1, 4096]),
            ("b".to_owned(), NONE, vec![2, 16_384]),
        );
        assert_eq!(credentials(&mut node, None).await, [a, b.clone()]);
        let asked = credentials(&mut node, Some(&["b", "c", "d", "d"])).await;
        let empty = |user: &str, code| (user.to_owned(), code, Vec::new());
        assert_eq!(asked, [b.clone(), empty("c", missing), empty("d", twice)]);
        let request =
            AlterUserScramCredentialsRequest::default().with_deletions(vec![deletion("a", 1)]);
        let altered = ask!(node, 0, request, AlterUserScramCredentials);
        assert_eq!(altered.results[0].error_code, NONE);
        assert_eq!(credentials(&mut node, None).await, [b]);
    });
}

async fn update(node: &mut Node, version: i16, change: (&str, i16, i8), validate: bool) -> i16 {
    let (name, level, upgrade_type) = change;
    let mut feature = update_features_request::FeatureUpdateKey::default()
        .with_feature(text(name))
        .with_max_version_level(level);
    if version == 0 {
        feature = feature.with_allow_downgrade(upgrade_type != 1);
    } else {
        feature = feature.with_upgrade_type(upgrade_type);
    }
    let request = UpdateFeaturesRequest::default()
        .with_feature_updates(vec![feature])
        .with_validate_only(validate);
    let response = ask!(node, version, request, UpdateFeatures);
    let per_feature = usize::from(version < 2 && response.error_code == NONE);
    assert_eq!(response.results.len(), per_feature);
    response.error_code
}

#[test]
fn feature_goes_up_when_asked_and_down_only_where_nothing_is_lost() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        let level = |node: &Node| node.broker.broker.image().features()["metadata.version"];
        let newest = level(&node);
        let refused = ErrorCode::InvalidUpdateVersion.number();
        const NAME: &str = "metadata.version";
        for (version, change, code) in [
            (1, (NAME, newest, 1), NONE),
            (2, (NAME, newest - 1, 1), refused),
            (2, (NAME, newest - 1, 2), refused),
            (2, (NAME, newest - 1, 3), refused),
            (0, (NAME, newest - 1, 2), refused),
            (0, (NAME, newest - 1, 1), refused),
            (1, (NAME, newest + 1, 1), refused),
            (1, (NAME, 0, 3), refused),
            (1, (NAME, -1, 3), refused),
            (1, (NAME, newest, 7), refused),
            (1, ("no.such.feature", 1, 1), refused),
        ] {
            let found = update(&mut node, version, change, false).await;
            assert_eq!(found, code, "{version} {change:?}");
        }
        assert_eq!(level(&node), newest);
        // As a cluster that an older release began.
        let levels = [(NAME.to_owned(), 29)].into();
        let command = sprawl_core::metadata::MetadataCommand::UpdateFeatures { levels };
        node.broker.broker.propose(command).await.unwrap();
        assert_eq!(update(&mut node, 2, (NAME, 26, 2), true).await, NONE);
        assert_eq!(level(&node), 29, "only checked");
        assert_eq!(update(&mut node, 2, (NAME, 26, 2), false).await, NONE);
        assert_eq!(level(&node), 26);
        assert_eq!(update(&mut node, 0, (NAME, newest, 1), false).await, NONE);
        assert_eq!(level(&node), newest);
    });
}
