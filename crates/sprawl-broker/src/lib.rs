//! The broker shell: connections, dispatch, one file per API, coordinators.
