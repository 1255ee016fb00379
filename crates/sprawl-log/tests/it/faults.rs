//! Failed writes, failed syncs and full disks.
