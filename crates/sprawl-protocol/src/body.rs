//! How is the body of a message read and written, whoever defines the message?
//!
//! Bodies of the `kafka-protocol` crate are only read after [`guard`](crate::guard) has passed
//! over the bytes: that crate reserves memory on the word of a length field.

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable};

use crate::messages::*;
use crate::wire::{Style, Value};

/// A message body.
pub(crate) trait Body: Sized {
    /// Reads the body from the front of guarded `bytes`.
    fn read(bytes: &mut Bytes, style: Style) -> Result<Self, String>;
    /// Appends the body to `out`.
    fn write(&self, out: &mut BytesMut, style: Style) -> Result<(), String>;
}

/// Messages of the `kafka-protocol` crate, with the version on the wire where later versions
/// changed meaning only.
macro_rules! crate_bodies {
    ($($name:ident $(newest $newest:literal)?,)*) => {$(
        impl Body for $name {
            fn read(bytes: &mut Bytes, style: Style) -> Result<Self, String> {
                let version = style.version$(.min($newest))?;
                Self::decode(bytes, version).map_err(|error| error.to_string())
            }
            fn write(&self, out: &mut BytesMut, style: Style) -> Result<(), String> {
                let version = style.version$(.min($newest))?;
                self.encode(out, version).map_err(|error| error.to_string())
            }
        }
    )*};
}
crate_bodies! {
    ProduceResponse,
    FetchRequest, FetchResponse,
    ListOffsetsRequest newest 10, ListOffsetsResponse newest 10,
    MetadataRequest, MetadataResponse,
    FindCoordinatorRequest, FindCoordinatorResponse,
    JoinGroupRequest, JoinGroupResponse,
    HeartbeatRequest, HeartbeatResponse,
    LeaveGroupRequest, LeaveGroupResponse,
    SyncGroupRequest, SyncGroupResponse,
    DescribeGroupsRequest, DescribeGroupsResponse,
    ListGroupsRequest, ListGroupsResponse,
    ApiVersionsRequest, ApiVersionsResponse,
    CreateTopicsRequest, CreateTopicsResponse,
    DeleteTopicsRequest, DeleteTopicsResponse,
    DeleteRecordsRequest, DeleteRecordsResponse,
    InitProducerIdRequest, InitProducerIdResponse,
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    DescribeConfigsRequest, DescribeConfigsResponse,
    AlterConfigsRequest, AlterConfigsResponse,
    DescribeLogDirsRequest newest 4,
    CreatePartitionsRequest, CreatePartitionsResponse,
    DeleteGroupsRequest, DeleteGroupsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    OffsetDeleteRequest, OffsetDeleteResponse,
    DescribeClusterRequest, DescribeClusterResponse,
    ListConfigResourcesRequest, ListConfigResourcesResponse,
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
}

/// Messages of our own.
macro_rules! own_bodies {
    ($($name:ident,)*) => {$(
        impl Body for $name {
            fn read(bytes: &mut Bytes, style: Style) -> Result<Self, String> {
                <Self as Value>::read(bytes, style).map_err(|error| error.to_string())
            }
            fn write(&self, out: &mut BytesMut, style: Style) -> Result<(), String> {
                <Self as Value>::write(self, out, style).map_err(|error| error.to_string())
            }
        }
    )*};
}
own_bodies! {
    OffsetCommitRequest, OffsetCommitResponse,
    OffsetFetchRequest, OffsetFetchResponse,
    DescribeLogDirsResponse,
}
