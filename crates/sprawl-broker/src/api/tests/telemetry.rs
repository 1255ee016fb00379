//! Client metrics (KIP-714): subscriptions as settings, and pushes.

use std::time::Duration;

use sprawl_model::compression::{Codec, compress};

use super::*;

const KIND: i8 = resource_type::CLIENT_METRICS;

/// One gauge called `org.apache.kafka.producer.node.request.latency.avg`, with the value 12.5 and
/// the attribute `node_id` 1, as OTLP.
fn payload() -> Vec<u8> {
    fn field(tag: u8, content: &[u8]) -> Vec<u8> {
        let size = u8::try_from(content.len()).unwrap();
        assert!(size < 128, "sizes are one byte");
        [&[tag << 3 | 2, size], content].concat()
    }
    let attribute = [field(1, b"node_id"), field(2, &field(1, b"1"))].concat();
    let value = [&[4 << 3 | 1][..], &12.5_f64.to_le_bytes()].concat();
    let point = [value, field(7, &attribute)].concat();
    let name = field(1, b"org.apache.kafka.producer.node.request.latency.avg");
    let metric = [name, field(5, &field(1, &point))].concat();
    // MetricsData, ResourceMetrics, ScopeMetrics.
    field(1, &field(2, &field(2, &metric)))
}

async fn subscribe(node: &mut Node, id: Uuid) -> GetTelemetrySubscriptionsResponse {
    let request = GetTelemetrySubscriptionsRequest::default().with_client_instance_id(id);
    match node.call(0, request).await {
        Response::GetTelemetrySubscriptions(response) => response,
        other => panic!("{other:?}"),
    }
}

async fn push(
    node: &mut Node,
    told: &GetTelemetrySubscriptionsResponse,
    (codec, metrics): (i8, Vec<u8>),
) -> i16 {
    let request = PushTelemetryRequest::default()
        .with_client_instance_id(told.client_instance_id)
        .with_subscription_id(told.subscription_id)
        .with_compression_type(codec)
        .with_metrics(metrics.into());
    match node.call(0, request).await {
        Response::PushTelemetry(response) => response.error_code,
        other => panic!("{other:?}"),
    }
}

fn rendered(node: &Node) -> String {
    let mut out = String::new();
    node.broker.client_metrics()(&mut out);
    out
}

async fn pass(time: Duration) {
    sprawl_io::time::sleep(time).await;
}

const INTERVAL: Duration = Duration::from_secs(1);

async fn subscribed(node: &mut Node) {
    for (name, value) in [("metrics", "*"), ("interval.ms", "1000")] {
        assert_eq!(node.alter(KIND, "all", (name, 0, Some(value))).await, NONE);
    }
}

#[test]
fn subscriptions_are_set_described_listed_and_taken_away() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        subscribed(&mut node).await;
        let interval = node.config(KIND, "all", "interval.ms").await;
        assert_eq!(interval.value, Some(text("1000")));
        assert_eq!((interval.config_source, interval.config_type), (7, 3));
        let unset = node.config(KIND, "all", "match").await;
        assert_eq!((unset.value, unset.config_source), (Some(text("")), 5));
        let unknown = node.describe(4, KIND, "nobody made it").await;
        assert_eq!((unknown.error_code, unknown.configs.len()), (NONE, 3));
        for version in [0, 1] {
            let types = if version == 0 { vec![] } else { vec![KIND] };
            let request = ListConfigResourcesRequest::default().with_resource_types(types);
            let Response::ListConfigResources(listed) = node.call(version, request).await else {
                panic!("another answer");
            };
            assert_eq!(listed.config_resources.len(), 1);
            assert_eq!(listed.config_resources[0].resource_name, text("all"));
        }
        for name in ["metrics", "interval.ms"] {
            assert_eq!(node.alter(KIND, "all", (name, 1, None)).await, NONE);
        }
        let request = ListConfigResourcesRequest::default().with_resource_types(vec![KIND]);
        let Response::ListConfigResources(listed) = node.call(1, request).await else {
            panic!("another answer");
        };
        assert_eq!(listed.config_resources, []);
    });
}

#[test]
fn settings_that_do_not_fit_are_refused_as_kafka_does() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        let invalid_request = ErrorCode::InvalidRequest.number();
        let invalid_config = ErrorCode::InvalidConfig.number();
        for (name, value, error) in [
            ("interval.ms", "99", invalid_request),
            ("interval.ms", "soon", invalid_config),
            ("interval", "1000", invalid_request),
            ("match", "planet=mars", invalid_config),
            ("match", "client_id=(", invalid_config),
            ("metrics", "a,a", invalid_config),
        ] {
            let found = node.alter(KIND, "s", (name, 0, Some(value))).await;
            assert_eq!(found, error, "{name}={value}");
        }
        assert_eq!(
            node.alter(KIND, "", ("metrics", 0, Some("*"))).await,
            invalid_request
        );
        assert_eq!(node.describe(4, KIND, "").await.error_code, invalid_request);
        assert_eq!(node.alter(KIND, "s", ("metrics", 2, Some("a"))).await, NONE);
        assert_eq!(node.alter(KIND, "s", ("metrics", 2, Some("b"))).await, NONE);
        let metrics = node.config(KIND, "s", "metrics").await;
        assert_eq!(metrics.value, Some(text("a,b")));
    });
}

#[test]
fn what_is_pushed_in_any_compression_is_shown_until_the_client_is_silent() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        subscribed(&mut node).await;
        let told = subscribe(&mut node, Uuid::nil()).await;
        assert!(!told.client_instance_id.is_nil());
        assert_eq!(told.requested_metrics, [text("*")]);
        assert_eq!(told.accepted_compression_types, [4, 3, 1, 2]);
        assert_eq!(
            (told.push_interval_ms, told.telemetry_max_bytes),
            (1000, 1_048_576)
        );
        assert!(told.delta_temporality);
        for codec in [
            Codec::None,
            Codec::Gzip,
            Codec::Snappy,
            Codec::Lz4,
            Codec::Zstd,
        ] {
            let metrics = compress(codec, None, &payload());
            let id = i8::try_from(codec.id()).unwrap();
            assert_eq!(
                push(&mut node, &told, (id, metrics)).await,
                NONE,
                "{codec:?}"
            );
            pass(INTERVAL).await;
        }
        let id = sprawl_model::kafka_uuid(told.client_instance_id);
        let line = format!(
            "kafka_client_producer_node_request_latency_avg{{client_instance_id=\"{id}\",\
             client_id=\"test\",node_id=\"1\"}} 12.5\n"
        );
        assert!(rendered(&node).ends_with(&line), "{}", rendered(&node));
        pass(Duration::from_secs(61)).await;
        assert_eq!(rendered(&node), "");
    });
}

#[test]
fn pushes_that_are_early_unknown_large_or_broken_are_refused() {
    simulate(async {
        let mut node = Node::start(&[("telemetry.max.bytes", "500")]).await;
        subscribed(&mut node).await;
        let told = subscribe(&mut node, Uuid::nil()).await;
        let again = subscribe(&mut node, told.client_instance_id).await;
        let throttled = ErrorCode::ThrottlingQuotaExceeded.number();
        assert_eq!(again.error_code, throttled);
        assert_eq!(push(&mut node, &told, (0, payload())).await, NONE);
        assert_eq!(push(&mut node, &told, (0, payload())).await, throttled);
        // A bomb: it expands to a hundred times what is allowed.
        let bomb = compress(Codec::Gzip, None, &[0; 50_000]);
        let mut stale = told.clone();
        stale.subscription_id += 1;
        for (told, pushed, error) in [
            (&stale, (0, payload()), ErrorCode::UnknownSubscriptionId),
            (&told, (5, payload()), ErrorCode::UnsupportedCompressionType),
            (
                &told,
                (-1, payload()),
                ErrorCode::UnsupportedCompressionType,
            ),
            (&told, (0, vec![0; 501]), ErrorCode::TelemetryTooLarge),
            (&told, (1, bomb), ErrorCode::InvalidRecord),
            (&told, (0, vec![0xff; 10]), ErrorCode::InvalidRecord),
            (&told, (4, payload()), ErrorCode::InvalidRecord),
        ] {
            pass(INTERVAL).await;
            assert_eq!(
                push(&mut node, told, pushed).await,
                error.number(),
                "{error:?}"
            );
        }
        let nobody = GetTelemetrySubscriptionsResponse::default();
        let refused = push(&mut node, &nobody, (0, payload())).await;
        assert_eq!(refused, ErrorCode::InvalidRequest.number());
    });
}

#[test]
fn patterns_see_the_software_that_a_client_named_and_its_connection() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        let named = ApiVersionsRequest::default()
            .with_client_software_name(text("our-client"))
            .with_client_software_version(text("1.2.3"));
        node.call(4, named).await;
        let pattern = "client_software_name=our-client,client_software_version=1[.]2[.].*,\
                       client_source_address=127[.]0[.]0[.]1,client_id=te.*";
        assert_eq!(
            node.alter(KIND, "s", ("match", 0, Some(pattern))).await,
            NONE
        );
        assert_eq!(
            node.alter(KIND, "s", ("metrics", 0, Some("a."))).await,
            NONE
        );
        let told = subscribe(&mut node, Uuid::nil()).await;
        assert_eq!(told.requested_metrics, [text("a.")]);
        node.stream = node.connect().await;
        let unnamed = subscribe(&mut node, Uuid::nil()).await;
        assert!(unnamed.requested_metrics.is_empty());
    });
}

#[test]
fn subscriptions_survive_a_kill() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        subscribed(&mut node).await;
        let mut node = node.kill_and_restart().await;
        let told = subscribe(&mut node, Uuid::nil()).await;
        assert_eq!(told.requested_metrics, [text("*")]);
    });
}

#[test]
fn the_older_alter_configs_replaces_a_subscription() {
    simulate(async {
        let mut node = Node::start(&[]).await;
        subscribed(&mut node).await;
        let config = ReplacedConfig::default()
            .with_name(text("metrics"))
            .with_value(Some(text("a.")));
        let resource = ReplaceResource::default()
            .with_resource_type(KIND)
            .with_resource_name(text("all"))
            .with_configs(vec![config]);
        let request = AlterConfigsRequest::default().with_resources(vec![resource]);
        let Response::AlterConfigs(response) = node.call(2, request).await else {
            panic!("another answer");
        };
        assert_eq!(response.responses[0].error_code, NONE);
        let told = subscribe(&mut node, Uuid::nil()).await;
        assert_eq!(told.requested_metrics, [text("a.")]);
        assert_eq!(told.push_interval_ms, 300_000, "what is not named is gone");
    });
}
