//! Record batch v2: parse, check, patch, iterate, build.
