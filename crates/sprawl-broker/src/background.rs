//! What a broker does on its own: forgetting idle producers, delivering delayed records.

use std::sync::Arc;
use std::time::Duration;

use sprawl_core::config::BrokerSettings;
use sprawl_io::time;

use crate::broker::Broker;
use crate::delay;

/// How often idle producers are looked for (`producer.id.expiration.check.interval.ms`).
const PRODUCER_EXPIRY_INTERVAL: Duration = Duration::from_secs(600);

/// Starts the broker's own tasks; they end when it stops.
pub(crate) fn start(broker: &Arc<Broker>) {
    let expiring = broker.clone();
    broker
        .io
        .spawn
        .task(Box::pin(async move { expire_producers(&expiring).await }));
    let delivering = broker.clone();
    broker
        .io
        .spawn
        .task(Box::pin(async move { delay::run(&delivering).await }));
}

async fn expire_producers(broker: &Broker) {
    loop {
        tokio::select! {
            biased;
            () = broker.stopping() => return,
            () = time::sleep(PRODUCER_EXPIRY_INTERVAL) => {
                let expiration_ms = producer_expiration_ms(broker);
                for partition in broker.partitions.all() {
                    partition.expire_producers(expiration_ms);
                }
            }
        }
    }
}

/// `producer.id.expiration.ms` as it is right now: it may be changed while the broker runs.
fn producer_expiration_ms(broker: &Broker) -> i64 {
    let image = broker.image();
    let layers = image.layers(broker.broker_id(), &broker.settings.statics);
    let current = BrokerSettings::resolve(&layers);
    current
        .as_ref()
        .unwrap_or(&broker.settings)
        .producer_id_expiration_ms
}
