//! Limits that the system puts on this process.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the number of files and sockets this process may have open to what the system allows, and
/// returns that number; `None` is no limit.
///
/// The soft limit of a login shell (1,024) is less than a broker with a thousand partitions needs.
pub fn raise_open_files() -> std::io::Result<Option<u64>> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    Ok(limit.current)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let raised = raise_open_files().unwrap();
        assert_eq!(getrlimit(Resource::Nofile).current, raised);
        assert_eq!(getrlimit(Resource::Nofile).maximum, raised);
    }
}
