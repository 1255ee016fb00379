//! DescribeUserScramCredentials (key 50): which mechanisms a user has credentials for, and how
//! often each was hashed. Nothing else is told.
//!
//! Source: `ScramImage.describe`; KIP-554.

use std::collections::BTreeMap;
use std::sync::Arc;

use sprawl_core::metadata::MetadataImage;
use sprawl_protocol::messages::describe_user_scram_credentials_request::UserName;
use sprawl_protocol::messages::describe_user_scram_credentials_response::{
    CredentialInfo, DescribeUserScramCredentialsResult,
};
use sprawl_protocol::messages::{
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
};
use sprawl_protocol::{ErrorCode, StrBytes};

use super::admin::Failure;
use super::alter_user_scram_credentials::mechanism_number;
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Describes the users asked for, or all.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    let image = broker.image();
    let asked = request.users.unwrap_or_default();
    let results = mentions(&image, &asked)
        .into_iter()
        .map(|(user, count)| describe(&image, user, count));
    DescribeUserScramCredentialsResponse::default()
        .with_error_message(None)
        .with_results(results.collect())
}

/// How often each user is asked for; everybody once, where nobody is named.
fn mentions(image: &MetadataImage, asked: &[UserName]) -> BTreeMap<String, usize> {
    let mut mentions = BTreeMap::new();
    for user in asked {
        *mentions.entry(user.name.to_string()).or_default() += 1;
    }
    if asked.is_empty() {
        let known = image.scram_credentials().keys();
        mentions.extend(known.map(|(user, _)| (user.clone(), 1)));
    }
    mentions
}

fn describe(
    image: &MetadataImage,
    user: String,
    mention_count: usize,
) -> DescribeUserScramCredentialsResult {
    let credentials = image.scram_credentials();
    let own = credentials.iter().filter(|((owner, _), _)| *owner == user);
    let infos: Vec<CredentialInfo> = own
        .map(|((_, mechanism), credential)| {
            CredentialInfo::default()
                .with_mechanism(mechanism_number(*mechanism))
                .with_iterations(credential.iterations)
        })
        .collect();
    let failure = if mention_count > 1 {
        let message = format!("expected user {user} once, found it twice");
        Some(Failure::new(ErrorCode::DuplicateResource, message))
    } else if infos.is_empty() {
        let message = format!("user {user} has no credentials");
        Some(Failure::new(ErrorCode::ResourceNotFound, message))
    } else {
        None
    };
    let result = DescribeUserScramCredentialsResult::default()
        .with_user(StrBytes::from_string(user))
        .with_error_message(None);
    match failure {
        None => result.with_credential_infos(infos),
        Some(failure) => result
            .with_error_code(failure.code.number())
            .with_error_message(failure.wire_message()),
    }
}
