//! SCRAM credentials: what proves who a user is, without the password (RFC 5802).
//!
//! Source: `ScramControlManager`, `ScramImage`; KIP-554.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::command::MetadataReply;
use super::error::MetadataError;
use super::image::MetadataImage;

/// The most credentials there are.
pub const SCRAM_CREDENTIALS_MAX: usize = 100_000;

/// A hash that credentials are made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ScramMechanism {
    /// SCRAM-SHA-256
    Sha256,
    /// SCRAM-SHA-512
    Sha512,
}

/// Whose credential, and for which mechanism.
pub type ScramKey = (String, ScramMechanism);

/// One credential.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScramCredential {
    /// How often the password was hashed.
    pub iterations: i32,
    /// What it was salted with.
    pub salt: Vec<u8>,
    /// The hash of the client key.
    pub stored_key: Vec<u8>,
    /// The server key.
    pub server_key: Vec<u8>,
}

impl fmt::Debug for ScramCredential {
    /// Shows nothing that helps to guess a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramCredential").finish_non_exhaustive()
    }
}

/// A change to one credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScramChange {
    /// Whose.
    pub user: String,
    /// For which mechanism.
    pub mechanism: ScramMechanism,
    /// The credential, or `None` where it is taken away.
    pub credential: Option<ScramCredential>,
}

pub(super) fn alter(
    image: &mut MetadataImage,
    changes: &[ScramChange],
) -> Result<MetadataReply, MetadataError> {
    let mut credentials = BTreeMap::clone(&image.scram_credentials);
    for change in changes {
        let key = (change.user.clone(), change.mechanism);
        match &change.credential {
            Some(credential) => credentials.insert(key, credential.clone()),
            None => credentials.remove(&key),
        };
    }
    if credentials.len() > SCRAM_CREDENTIALS_MAX {
        return Err(MetadataError::TooMany {
            what: "SCRAM credentials".to_owned(),
            max: SCRAM_CREDENTIALS_MAX,
        });
    }
    image.scram_credentials = Arc::new(credentials);
    Ok(MetadataReply::Done)
}
