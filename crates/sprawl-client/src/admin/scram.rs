//! Credentials of users that log in with SCRAM.
//!
//! A password never leaves the caller: what is sent is its salted hash (RFC 5802, KIP-554).

use hmac::Hmac;
use pbkdf2::pbkdf2;
use sha2::{Sha256, Sha512};
use sprawl_protocol::StrBytes;
use sprawl_protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use sprawl_protocol::messages::describe_user_scram_credentials_request::UserName;
use sprawl_protocol::messages::{
    AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest,
};

use super::Admin;
use crate::error::ClientError;

/// How long a salt is, in bytes.
const SALT_BYTES: usize = 32;

/// How a user proves to know the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScramMechanism {
    /// `SCRAM-SHA-256`
    Sha256,
    /// `SCRAM-SHA-512`
    Sha512,
}

impl ScramMechanism {
    /// Its name, as clients configure it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    fn number(self) -> i8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha512 => 2,
        }
    }

    fn from_number(number: i8) -> Option<Self> {
        [Self::Sha256, Self::Sha512]
            .into_iter()
            .find(|mechanism| mechanism.number() == number)
    }

    /// Hashes a password so often that guessing one is slow.
    fn salted(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        const ANY_KEY: &str = "HMAC takes keys of any length";
        match self {
            Self::Sha256 => {
                let mut hash = vec![0; 32];
                pbkdf2::<Hmac<Sha256>>(password, salt, iterations, &mut hash).expect(ANY_KEY);
                hash
            }
            Self::Sha512 => {
                let mut hash = vec![0; 64];
                pbkdf2::<Hmac<Sha512>>(password, salt, iterations, &mut hash).expect(ANY_KEY);
                hash
            }
        }
    }
}

/// One credential of a user. The password is told to nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramCredential {
    /// Whose.
    pub user: String,
    /// For which mechanism; `None` is one this client does not know.
    pub mechanism: Option<ScramMechanism>,
    /// How often the password is hashed.
    pub iterations: i32,
}

impl Admin {
    /// Returns the credentials of these users, of all where none is named.
    pub async fn scram_credentials(
        &self,
        users: &[String],
    ) -> Result<Vec<ScramCredential>, ClientError> {
        let named = users
            .iter()
            .map(|user| UserName::default().with_name(StrBytes::from_string(user.clone())));
        let asked = (!users.is_empty()).then(|| named.collect());
        let request = DescribeUserScramCredentialsRequest::default().with_users(asked);
        let response = self.client.any().await?.call(request).await?;
        let message = response.error_message.map(|message| message.to_string());
        ClientError::check_with(|| "credentials".to_owned(), response.error_code, message)?;
        let mut credentials = Vec::new();
        for result in response.results {
            let message = result.error_message.map(|message| message.to_string());
            let what = || format!("user {}", result.user);
            ClientError::check_with(what, result.error_code, message)?;
            let user = result.user.to_string();
            credentials.extend(result.credential_infos.iter().map(|info| ScramCredential {
                user: user.clone(),
                mechanism: ScramMechanism::from_number(info.mechanism),
                iterations: info.iterations,
            }));
        }
        Ok(credentials)
    }

    /// Gives a user a password for one mechanism, with a salt of its own.
    pub async fn set_scram_password(
        &self,
        user: &str,
        mechanism: ScramMechanism,
        (password, iterations): (&[u8], u32),
    ) -> Result<(), ClientError> {
        let mut salt = vec![0; SALT_BYTES];
        self.client.io().random.fill(&mut salt);
        let salted = mechanism.salted(password, &salt, iterations);
        let upsertion = ScramCredentialUpsertion::default()
            .with_name(StrBytes::from_string(user.to_owned()))
            .with_mechanism(mechanism.number())
            .with_iterations(i32::try_from(iterations).unwrap_or(i32::MAX))
            .with_salt(salt.into())
            .with_salted_password(salted.into());
        let request = AlterUserScramCredentialsRequest::default().with_upsertions(vec![upsertion]);
        self.alter_scram(request).await
    }

    /// Takes a user's credential for one mechanism away.
    pub async fn delete_scram_credential(
        &self,
        user: &str,
        mechanism: ScramMechanism,
    ) -> Result<(), ClientError> {
        let deletion = ScramCredentialDeletion::default()
            .with_name(StrBytes::from_string(user.to_owned()))
            .with_mechanism(mechanism.number());
        let request = AlterUserScramCredentialsRequest::default().with_deletions(vec![deletion]);
        self.alter_scram(request).await
    }

    async fn alter_scram(
        &self,
        request: AlterUserScramCredentialsRequest,
    ) -> Result<(), ClientError> {
        let response = self.client.any().await?.call(request).await?;
        for result in response.results {
            let message = result.error_message.map(|message| message.to_string());
            let what = || format!("user {}", result.user);
            ClientError::check_with(what, result.error_code, message)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn passwords_are_salted_as_rfc_7677_does() {
        // Password and salt of RFC 7677, section 3; the hashes are those of Python's `hashlib`.
        let salt = [
            0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36,
            0xfa, 0x81,
        ];
        for (mechanism, expected) in [
            (
                ScramMechanism::Sha256,
                "c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d",
            ),
            (
                ScramMechanism::Sha512,
                "f16efe1be67f1d09502ebd5ed9262fddffba5a377ab4f0b687e5ed5ba0f50686\
                 b8a4ae166476da8ab3b951d2fa9238b63998f45461bc33a464814949cec9631d",
            ),
        ] {
            assert_eq!(hex(&mechanism.salted(b"pencil", &salt, 4096)), expected);
        }
    }
}
