//! Bytes that were on stable storage and changed there are reported and never cut silently.
