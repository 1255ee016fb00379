//! Was the process told to stop (SIGTERM or SIGINT)? A second signal ends it at once.

use std::future::Future;

use sprawl_io::Io;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Whether a signal to stop has come.
#[derive(Clone, Debug)]
pub(crate) struct StopSignal {
    received: watch::Receiver<bool>,
}

impl StopSignal {
    /// Catches the signals from here on.
    pub(crate) fn catch(io: &Io) -> anyhow::Result<Self> {
        let catch =
            |kind| signal(kind).map_err(|error| anyhow::anyhow!("cannot catch signals: {error}"));
        let mut terminate = catch(SignalKind::terminate())?;
        let mut interrupt = catch(SignalKind::interrupt())?;
        let (sender, received) = watch::channel(false);
        io.spawn.task(Box::pin(async move {
            either(&mut terminate, &mut interrupt).await;
            sender.send_replace(true);
            // The second signal is from somebody who cannot wait.
            either(&mut terminate, &mut interrupt).await;
            std::process::exit(1);
        }));
        Ok(Self { received })
    }

    /// Says whether the first signal has come.
    pub(crate) fn has_come(&self) -> bool {
        *self.received.borrow()
    }

    /// Waits for the first signal.
    pub(crate) fn wait(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut received = self.received.clone();
        async move {
            // The task that sends lives until the process ends.
            received
                .wait_for(|stop| *stop)
                .await
                .map(drop)
                .unwrap_or(());
        }
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        biased;
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
