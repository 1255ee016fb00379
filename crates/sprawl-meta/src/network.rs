//! How Raft reaches other voters. This release runs groups of one voter, which has nobody to reach,
//! so every call answers that the peer cannot be reached; Raft never makes one.

use std::io;

use openraft::BasicNode;
use openraft::error::{InstallSnapshotError, RPCError, RaftError, Unreachable};
use openraft::network::{RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};

use crate::types::Types;

type RpcResult<T, E = RaftError<u64>> = Result<T, RPCError<u64, BasicNode, E>>;

/// The network of a group with one voter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoPeers;

#[allow(
    clippy::result_large_err,
    reason = "the error is openraft's, and this is never called"
)]
fn unreachable_peer<T, E: std::error::Error>() -> RpcResult<T, E> {
    let error = io::Error::new(
        io::ErrorKind::NotConnected,
        "a group of one voter has no peers",
    );
    Err(RPCError::Unreachable(Unreachable::new(&error)))
}

impl RaftNetworkFactory<Types> for NoPeers {
    type Network = Self;

    async fn new_client(&mut self, _target: u64, _node: &BasicNode) -> Self {
        Self
    }
}

impl RaftNetwork<Types> for NoPeers {
    async fn append_entries(
        &mut self,
        _request: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> RpcResult<AppendEntriesResponse<u64>> {
        unreachable_peer()
    }

    async fn install_snapshot(
        &mut self,
        _request: InstallSnapshotRequest<Types>,
        _option: RPCOption,
    ) -> RpcResult<InstallSnapshotResponse<u64>, RaftError<u64, InstallSnapshotError>> {
        unreachable_peer()
    }

    async fn vote(
        &mut self,
        _request: VoteRequest<u64>,
        _option: RPCOption,
    ) -> RpcResult<VoteResponse<u64>> {
        unreachable_peer()
    }
}
