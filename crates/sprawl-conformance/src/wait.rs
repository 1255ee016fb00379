//! How long do we wait, and what did we wait for? Polls with a deadline; never a bare sleep.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const POLL_PAUSE: Duration = Duration::from_millis(5);

/// Polls `ready` until it yields a value, or fails naming `what` after `wait_max`.
pub fn until<T>(
    what: &str,
    wait_max: Duration,
    mut ready: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = ready()? {
            return Ok(value);
        }
        if start.elapsed() > wait_max {
            bail!("waited {wait_max:?} for {what}, in vain");
        }
        std::thread::sleep(POLL_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadline_names_what_was_waited_for() {
        let error = until::<()>("godot", Duration::from_millis(1), || Ok(None)).unwrap_err();
        assert!(error.to_string().contains("godot"), "{error}");
    }

    #[test]
    fn value_ends_the_wait() {
        let mut left = 3;
        let value = until("three polls", Duration::from_secs(5), || {
            left -= 1;
            Ok((left == 0).then_some("ready"))
        });
        assert_eq!(value.unwrap(), "ready");
    }
}
