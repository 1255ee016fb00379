//! AlterUserScramCredentials (key 51): credentials are set and taken away, each user checked alone.
//!
//! A client sends the salted password; what is kept is the stored key and the server key, from
//! which nobody can log in.
//!
//! Source: `ScramControlManager.alterCredentials`; KIP-554, RFC 5802 (section 3).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha512};
use sprawl_core::metadata::{
    MetadataCommand, MetadataImage, ScramChange, ScramCredential, ScramMechanism,
};
use sprawl_protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use sprawl_protocol::messages::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
    alter_user_scram_credentials_response as response,
};
use sprawl_protocol::{ErrorCode, StrBytes};

use super::admin::{Failure, code_and_message};
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// The fewest iterations a credential may have (RFC 5802, RFC 7677).
const ITERATIONS_MIN: i32 = 4096;

/// The most iterations a credential may have: a server would work for too long at each log-in.
const ITERATIONS_MAX: i32 = 16_384;

/// Checks each user's change and carries out those that are right, all at once.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: AlterUserScramCredentialsRequest,
) -> AlterUserScramCredentialsResponse {
    let image = broker.image();
    let mut results: BTreeMap<String, Result<ScramChange, Failure>> = BTreeMap::new();
    let mut twice = BTreeSet::new();
    let deletions = request.deletions.iter().map(|one| {
        let checked = deletion(&image, one);
        (one.name.to_string(), checked)
    });
    let upsertions = request.upsertions.iter().map(|one| {
        let checked = upsertion(one);
        (one.name.to_string(), checked)
    });
    for (user, checked) in deletions.chain(upsertions) {
        if results.insert(user.clone(), checked).is_some() {
            twice.insert(user);
        }
    }
    for user in twice {
        let message = "expected each user once, found it twice";
        let failure = Failure::new(ErrorCode::DuplicateResource, message);
        results.insert(user, Err(failure));
    }
    let committed = commit(broker, &results).await;
    let results = results.into_iter().map(|(user, result)| {
        let result = result.and(committed.clone());
        let (code, message) = code_and_message(&result);
        response::AlterUserScramCredentialsResult::default()
            .with_user(StrBytes::from_string(user))
            .with_error_code(code)
            .with_error_message(message)
    });
    AlterUserScramCredentialsResponse::default().with_results(results.collect())
}

async fn commit(
    broker: &Broker,
    results: &BTreeMap<String, Result<ScramChange, Failure>>,
) -> Result<(), Failure> {
    let changes: Vec<ScramChange> = results.values().flatten().cloned().collect();
    if !changes.is_empty() {
        let command = MetadataCommand::AlterScramCredentials { changes };
        broker.propose(command).await?;
    }
    Ok(())
}

/// The number of Kafka's `ScramMechanism`.
pub(super) fn mechanism_number(mechanism: ScramMechanism) -> i8 {
    match mechanism {
        ScramMechanism::Sha256 => 1,
        ScramMechanism::Sha512 => 2,
    }
}

fn mechanism(user: &str, number: i8) -> Result<ScramMechanism, Failure> {
    if user.is_empty() {
        let message = "expected the name of a user, found none";
        return Err(Failure::new(ErrorCode::UnacceptableCredential, message));
    }
    match number {
        1 => Ok(ScramMechanism::Sha256),
        2 => Ok(ScramMechanism::Sha512),
        _ => {
            let message = format!("expected mechanism 1 or 2, found {number}");
            Err(Failure::new(ErrorCode::UnsupportedSaslMechanism, message))
        }
    }
}

fn deletion(
    image: &MetadataImage,
    asked: &ScramCredentialDeletion,
) -> Result<ScramChange, Failure> {
    let mechanism = mechanism(&asked.name, asked.mechanism)?;
    let key = (asked.name.to_string(), mechanism);
    if !image.scram_credentials().contains_key(&key) {
        let message = "there is no such credential to take away";
        return Err(Failure::new(ErrorCode::ResourceNotFound, message));
    }
    Ok(ScramChange {
        user: key.0,
        mechanism,
        credential: None,
    })
}

fn upsertion(asked: &ScramCredentialUpsertion) -> Result<ScramChange, Failure> {
    let mechanism = mechanism(&asked.name, asked.mechanism)?;
    let iterations = asked.iterations;
    if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations) {
        let message =
            format!("expected {ITERATIONS_MIN} to {ITERATIONS_MAX} iterations, found {iterations}");
        return Err(Failure::new(ErrorCode::UnacceptableCredential, message));
    }
    let (stored_key, server_key) = keys(mechanism, &asked.salted_password);
    Ok(ScramChange {
        user: asked.name.to_string(),
        mechanism,
        credential: Some(ScramCredential {
            iterations,
            salt: asked.salt.to_vec(),
            stored_key,
            server_key,
        }),
    })
}

/// The stored key and the server key that belong to a salted password.
fn keys(mechanism: ScramMechanism, salted_password: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mac = |label: &[u8]| match mechanism {
        ScramMechanism::Sha256 => authenticate::<Hmac<Sha256>>(salted_password, label),
        ScramMechanism::Sha512 => authenticate::<Hmac<Sha512>>(salted_password, label),
    };
    let client_key = mac(b"Client Key");
    let stored_key = match mechanism {
        ScramMechanism::Sha256 => Sha256::digest(&client_key).to_vec(),
        ScramMechanism::Sha512 => Sha512::digest(&client_key).to_vec(),
    };
    (stored_key, mac(b"Server Key"))
}

fn authenticate<M: Mac + hmac::digest::KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mac = <M as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.chain_update(message).finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap();
        let pairs = hex.as_bytes().chunks(2);
        pairs
            .map(|pair| u8::try_from(digit(&pair[0]) * 16 + digit(&pair[1])).unwrap())
            .collect()
    }

    #[test]
    fn keys_are_those_that_kafka_makes() {
        // Made with `ScramFormatter` of Apache Kafka 4.3.1 from the salted password "sprawl".
        for (mechanism, stored, server) in [
            (ScramMechanism::Sha256, SHA256.0, SHA256.1),
            (ScramMechanism::Sha512, SHA512.0, SHA512.1),
        ] {
            let keys = keys(mechanism, b"sprawl");
            assert_eq!(keys, (bytes(stored), bytes(server)), "{mechanism:?}");
        }
    }

    const SHA256: (&str, &str) = (
        "2d1789a4008b26f58f0fab3bc0e2dc9c82c692cdee2fdb8bd33f1d9cec89117a",
        "b7a107505fddfef4f1e482835d92fb108e128f9b4d0f0d52202cfae874301a02",
    );

    const SHA512: (&str, &str) = (
        "268ac3c7bb29960fb2050d86edba263ac41c577e7d19335bbf22ea278815c71c\
         bbfbe42c7ffdc60e30c9e2d5a1f551d5ba7ceb1464b9056ef96aa1d09edcc6ef",
        "d3d6f4fa66254683e1e99b28fbdaa636c09c5f0e2b2c43b542f037a9c39e238e\
         f6a91ef4041927d64e20fab1e517a0f6a44aeb684194922e4ff8eacb19fbc257",
    );
}
